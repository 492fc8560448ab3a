// What there is to see: spheres on a chequered ground under a soft sky, and one round lamp.

export const DIFFUSE: u32 = 0;
/** Diffuse under a clear coat that mirrors at flat angles. */
export const COATED: u32 = 1;
/** Colour, and `rough` = how far its reflections are spread, 0 = a mirror. */
export const METAL: u32 = 2;
export const GLASS: u32 = 3;
export const LAMP: u32 = 4;

/** x, y, z, radius, red, green, blue, rough as f64, then the material as u32. */
const STRIDE: usize = 72;
const SPHERES_MAX: u32 = 64;
const spheres: usize = memory.data(72 * 64, 8);
let sphereCount: u32 = 0;

export const GROUND: i32 = -1;
export const NOTHING: i32 = -2;
const NEAR: f64 = 1e-4;

function add(x: f64, y: f64, z: f64, radius: f64, r: f64, g: f64, b: f64, m: u32, rough: f64): void {
  if (sphereCount == SPHERES_MAX) unreachable();
  const at = spheres + sphereCount * STRIDE;
  store<f64>(at, x);
  store<f64>(at, y, 8);
  store<f64>(at, z, 16);
  store<f64>(at, radius, 24);
  store<f64>(at, r, 32);
  store<f64>(at, g, 40);
  store<f64>(at, b, 48);
  store<f64>(at, rough, 56);
  store<u32>(at, m, 64);
  sphereCount++;
}

export const LAMP_X: f64 = -4.2;
export const LAMP_Y: f64 = 7.0;
export const LAMP_Z: f64 = -3.6;
export const LAMP_RADIUS: f64 = 1.5;
/** The lamp's light, warm. */
export const LAMP_R: f64 = 30.0;
export const LAMP_G: f64 = 26.0;
export const LAMP_B: f64 = 20.0;

export function buildScene(): void {
  add(LAMP_X, LAMP_Y, LAMP_Z, LAMP_RADIUS, LAMP_R, LAMP_G, LAMP_B, LAMP, 0);
  add(-1.75, 1.2, 0.9, 1.2, 0.93, 0.94, 0.96, METAL, 0);
  add(0.45, 0.85, -1.0, 0.85, 1.0, 1.0, 1.0, GLASS, 0);
  add(2.35, 1.0, 0.7, 1.0, 0.72, 0.06, 0.05, COATED, 0);
  add(0.55, 0.8, 2.5, 0.8, 1.0, 0.72, 0.28, METAL, 0.16);
  add(-3.6, 0.6, 2.9, 0.6, 0.05, 0.42, 0.38, COATED, 0);
  add(4.3, 0.7, 3.3, 0.7, 0.1, 0.18, 0.6, COATED, 0);
  add(-2.4, 0.35, -1.5, 0.35, 0.9, 0.45, 0.05, COATED, 0);
  add(-0.95, 0.28, -2.1, 0.28, 0.12, 0.5, 0.14, COATED, 0);
  add(1.85, 0.3, -1.75, 0.3, 0.95, 0.8, 0.2, COATED, 0);
  add(-1.45, 0.2, -2.75, 0.2, 0.85, 0.87, 0.9, METAL, 0.05);
  add(1.1, 0.22, -2.7, 0.22, 0.55, 0.12, 0.5, COATED, 0);
  add(3.05, 0.32, -1.1, 0.32, 0.9, 0.9, 0.88, DIFFUSE, 0);
}

/** Sphere that nearest() found, GROUND or NOTHING. */
export let hit: i32 = NOTHING;

/** Distance to the first thing on the ray; `hit` says what it is. The direction has length 1. */
export function nearest(ox: f64, oy: f64, oz: f64, dx: f64, dy: f64, dz: f64): f64 {
  let best: f64 = 1e9;
  hit = NOTHING;
  if (dy < -1e-6) {
    const t = -oy / dy;
    if (t > NEAR) {
      best = t;
      hit = GROUND;
    }
  }
  for (let i: u32 = 0, at = spheres; i < sphereCount; i++, at += STRIDE) {
    const cx = load<f64>(at) - ox;
    const cy = load<f64>(at, 8) - oy;
    const cz = load<f64>(at, 16) - oz;
    const radius = load<f64>(at, 24);
    const middle = cx * dx + cy * dy + cz * dz;
    const d = radius * radius - (cx * cx + cy * cy + cz * cz - middle * middle);
    if (d <= 0) continue;
    const half = Math.sqrt(d);
    const t = middle - half > NEAR ? middle - half : middle + half;
    if (t > NEAR && t < best) {
      best = t;
      hit = i;
    }
  }
  return best;
}

/** Whether something but the lamp is on the ray before `far`. */
export function isShaded(ox: f64, oy: f64, oz: f64, dx: f64, dy: f64, dz: f64, far: f64): bool {
  for (let i: u32 = 1, at = spheres + STRIDE; i < sphereCount; i++, at += STRIDE) {
    const cx = load<f64>(at) - ox;
    const cy = load<f64>(at, 8) - oy;
    const cz = load<f64>(at, 16) - oz;
    const radius = load<f64>(at, 24);
    const middle = cx * dx + cy * dy + cz * dz;
    const d = radius * radius - (cx * cx + cy * cy + cz * cz - middle * middle);
    if (d <= 0) continue;
    const half = Math.sqrt(d);
    const t = middle - half > NEAR ? middle - half : middle + half;
    if (t > NEAR && t < far) return true;
  }
  return false;
}

export const sphereX = (i: i32): f64 => load<f64>(spheres + i * STRIDE);
export const sphereY = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 8);
export const sphereZ = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 16);
export const sphereRadius = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 24);
export const sphereR = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 32);
export const sphereG = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 40);
export const sphereB = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 48);
export const sphereRough = (i: i32): f64 => load<f64>(spheres + i * STRIDE, 56);
export const sphereMaterial = (i: i32): u32 => load<u32>(spheres + i * STRIDE, 64);
