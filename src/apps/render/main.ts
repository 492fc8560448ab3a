// Path-traces a fixed scene in tiles.
//
// args    width height tileSize samples seed (decimal; defaults 320 240 32 32 1)
// stdin   "start end\n": tiles start ≤ n < end. Tile n covers the pixels from x = tileSize·(n mod
//         columns), y = tileSize·⌊n / columns⌋, columns = ⌈width / tileSize⌉; those at the right and
//         lower edge are cut off there.
// stdout  for each tile in order its pixels without any header: rows from above, each from the left,
//         a pixel three bytes red green blue (sRGB). Sizes follow from the args.
//
// All arithmetic is inside the module and the dice of a pixel depend on its place and the seed only, so
// any node gives the same bytes for a tile, whichever other tiles are in its workunit.

import {roll, seedDice} from "./dice";
import {argNumber, fail, rangeEnd, rangeStart, readRange, write} from "../lib/wasi";
import {
  buildScene,
  COATED,
  GLASS,
  GROUND,
  hit,
  isShaded,
  LAMP,
  LAMP_B,
  LAMP_G,
  LAMP_R,
  LAMP_RADIUS,
  LAMP_X,
  LAMP_Y,
  LAMP_Z,
  METAL,
  nearest,
  NOTHING,
  sphereB,
  sphereG,
  sphereMaterial,
  sphereR,
  sphereRadius,
  sphereRough,
  sphereX,
  sphereY,
  sphereZ,
} from "./scene";

const BOUNCES_MAX = 8;
/** Light of one path is cut here: rare bright paths would stay as specks. */
const PATH_LIGHT_MAX: f64 = 6;
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

// ---- the path: ray, what it may still carry, what it has brought -------------------------------

let ox: f64, oy: f64, oz: f64;
let dx: f64, dy: f64, dz: f64;
let carryR: f64, carryG: f64, carryB: f64;
let lightR: f64, lightG: f64, lightB: f64;
// Normal and colour where the ray ended.
let nx: f64, ny: f64, nz: f64;
let red: f64, green: f64, blue: f64;
// A random point of the unit sphere's inside.
let px: f64, py: f64, pz: f64;

function pickInBall(): void {
  do {
    px = 2 * roll() - 1;
    py = 2 * roll() - 1;
    pz = 2 * roll() - 1;
  } while (px * px + py * py + pz * pz > 1);
}

function normalise(): void {
  const scale = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
  dx *= scale;
  dy *= scale;
  dz *= scale;
}

function bring(r: f64, g: f64, b: f64): void {
  lightR += carryR * r;
  lightG += carryG * g;
  lightB += carryB * b;
}

function bringSky(height: f64): void {
  const up = Math.max(height, 0);
  const t = Math.sqrt(up);
  bring(0.50 - 0.38 * t, 0.53 - 0.29 * t, 0.58 - 0.08 * t);
}

/** Squares of 1 × 1, less contrast far away where they would flicker. */
function paintGround(distance: f64): void {
  const isLight = ((<i32>Math.floor(ox) + <i32>Math.floor(oz)) & 1) == 0;
  const far = distance / (distance + 25);
  const own = isLight ? 0.72 : 0.16;
  const shade = own + (0.44 - own) * far;
  red = shade;
  green = shade * 0.97;
  blue = shade * 0.93;
}

/** Light straight from the lamp: one random point of its disc as seen from here. */
function bringLamp(): void {
  const lx = LAMP_X - ox;
  const ly = LAMP_Y - oy;
  const lz = LAMP_Z - oz;
  const squared = lx * lx + ly * ly + lz * lz;
  const distance = Math.sqrt(squared);
  const cosMax = Math.sqrt(Math.max(0, 1 - (LAMP_RADIUS * LAMP_RADIUS) / squared));
  // A base with w towards the lamp.
  const wx = lx / distance;
  const wy = ly / distance;
  const wz = lz / distance;
  const isFlat = Math.abs(wy) < 0.9;
  let ux = isFlat ? wz : 0.0;
  let uy = isFlat ? 0.0 : -wz;
  let uz = isFlat ? -wx : wy;
  const scale = 1 / Math.sqrt(ux * ux + uy * uy + uz * uz);
  ux *= scale;
  uy *= scale;
  uz *= scale;
  const vx = wy * uz - wz * uy;
  const vy = wz * ux - wx * uz;
  const vz = wx * uy - wy * ux;
  let a: f64, b: f64, inDisc: f64;
  do {
    a = 2 * roll() - 1;
    b = 2 * roll() - 1;
    inDisc = a * a + b * b;
  } while (inDisc > 1 || inDisc < 1e-12);
  // Uniform over the cone: the disc's radius squared is its height's share.
  const cosine = 1 - inDisc * (1 - cosMax);
  const side = Math.sqrt(Math.max(0, 1 - cosine * cosine) / inDisc);
  const sx = wx * cosine + (ux * a + vx * b) * side;
  const sy = wy * cosine + (uy * a + vy * b) * side;
  const sz = wz * cosine + (uz * a + vz * b) * side;
  const facing = sx * nx + sy * ny + sz * nz;
  if (facing <= 0 || isShaded(ox, oy, oz, sx, sy, sz, distance - LAMP_RADIUS)) return;
  const share = 2 * (1 - cosMax) * facing;
  bring(red * LAMP_R * share, green * LAMP_G * share, blue * LAMP_B * share);
}

/** On towards a random side, more often straight away from the surface. */
function scatter(): void {
  bringLamp();
  carryR *= red;
  carryG *= green;
  carryB *= blue;
  pickInBall();
  const scale = 1 / Math.sqrt(Math.max(px * px + py * py + pz * pz, 1e-12));
  dx = nx + px * scale;
  dy = ny + py * scale;
  dz = nz + pz * scale;
  if (dx * dx + dy * dy + dz * dz < 1e-8) {
    dx = nx;
    dy = ny;
    dz = nz;
  }
  normalise();
}

function reflect(rough: f64): void {
  const twice = 2 * (dx * nx + dy * ny + dz * nz);
  dx -= twice * nx;
  dy -= twice * ny;
  dz -= twice * nz;
  if (rough > 0) {
    pickInBall();
    dx += rough * px;
    dy += rough * py;
    dz += rough * pz;
    const inside = dx * nx + dy * ny + dz * nz;
    if (inside < 1e-3) {
      dx += (1e-3 - inside) * nx;
      dy += (1e-3 - inside) * ny;
      dz += (1e-3 - inside) * nz;
    }
  }
  normalise();
}

/** Share of light that a clear surface mirrors (Schlick). `facing` = cosine to its normal. */
function mirrored(facing: f64, straight: f64): f64 {
  const flat = 1 - Math.min(Math.max(facing, 0), 1);
  const squared = flat * flat;
  return straight + (1 - straight) * squared * squared * flat;
}

function passGlass(): void {
  const isEntering = dx * nx + dy * ny + dz * nz < 0;
  const ratio = isEntering ? 1 / 1.5 : 1.5;
  if (!isEntering) {
    nx = -nx;
    ny = -ny;
    nz = -nz;
  }
  const facing = -(dx * nx + dy * ny + dz * nz);
  const rest = 1 - ratio * ratio * (1 - facing * facing);
  if (rest <= 0) return reflect(0);
  const inner = Math.sqrt(rest);
  if (roll() < mirrored(isEntering ? facing : inner, 0.04)) return reflect(0);
  const bend = ratio * facing - inner;
  dx = ratio * dx + bend * nx;
  dy = ratio * dy + bend * ny;
  dz = ratio * dz + bend * nz;
  normalise();
}

/** Moves on from a sphere; returns whether the way there was by chance of a matt surface. */
function meetSphere(i: i32): bool {
  const scale = 1 / sphereRadius(i);
  nx = (ox - sphereX(i)) * scale;
  ny = (oy - sphereY(i)) * scale;
  nz = (oz - sphereZ(i)) * scale;
  red = sphereR(i);
  green = sphereG(i);
  blue = sphereB(i);
  const material = sphereMaterial(i);
  if (material == GLASS) {
    passGlass();
    return false;
  }
  if (material == METAL) {
    carryR *= red;
    carryG *= green;
    carryB *= blue;
    reflect(sphereRough(i));
    return false;
  }
  const facing = -(dx * nx + dy * ny + dz * nz);
  if (material == COATED && roll() < mirrored(facing, 0.05)) {
    reflect(0);
    return false;
  }
  scatter();
  return true;
}

function meetGround(distance: f64): bool {
  nx = 0;
  ny = 1;
  nz = 0;
  oy = 0;
  paintGround(distance);
  if (roll() < 0.6 * mirrored(-dy, 0)) {
    reflect(0.02);
    // The lamp in the ground would be a few bright specks: it is left out.
    return true;
  }
  scatter();
  return true;
}

/** Follows the ray until it is lost; what it brings is in lightR, lightG, lightB. */
function follow(): void {
  carryR = carryG = carryB = 1;
  lightR = lightG = lightB = 0;
  let isScattered = false;
  for (let bounce = 0; bounce < BOUNCES_MAX; bounce++) {
    const distance = nearest(ox, oy, oz, dx, dy, dz);
    // Haze: the ground goes over into the sky.
    const isLost = hit == GROUND && roll() * (distance * distance + 900) < distance * distance;
    if (hit == NOTHING || isLost) return bringSky(dy);
    ox += distance * dx;
    oy += distance * dy;
    oz += distance * dz;
    if (hit >= 0 && sphereMaterial(hit) == LAMP) {
      // After a matt surface its light has been counted there.
      if (!isScattered) bring(sphereR(hit), sphereG(hit), sphereB(hit));
      return;
    }
    isScattered = hit == GROUND ? meetGround(distance) : meetSphere(hit);
    // A dark path ends by chance, and the others carry its share.
    if (bounce > 2) {
      const worth = Math.min(0.95, Math.max(carryR, Math.max(carryG, carryB)));
      if (roll() >= worth) return;
      carryR /= worth;
      carryG /= worth;
      carryB /= worth;
    }
  }
}

// ---- camera and film --------------------------------------------------------------------------

const EYE_X: f64 = 0.35;
const EYE_Y: f64 = 2.25;
const EYE_Z: f64 = -8.2;
/** Where it looks, and half the height of the picture at distance 1. */
const AIM_X: f64 = 0.2;
const AIM_Y: f64 = 0.75;
const AIM_Z: f64 = 0.4;
const HALF_HEIGHT: f64 = 0.34;

let aheadX: f64, aheadY: f64, aheadZ: f64;
let rightX: f64, rightZ: f64;
let upX: f64, upY: f64, upZ: f64;

function aimCamera(): void {
  const x = AIM_X - EYE_X;
  const y = AIM_Y - EYE_Y;
  const z = AIM_Z - EYE_Z;
  const length = Math.sqrt(x * x + y * y + z * z);
  aheadX = x / length;
  aheadY = y / length;
  aheadZ = z / length;
  const flat = Math.sqrt(x * x + z * z);
  rightX = z / flat;
  rightZ = -x / flat;
  upX = -rightZ * aheadY;
  upY = rightZ * aheadX - rightX * aheadZ;
  upZ = rightX * aheadY;
  if (upY < 0) {
    upX = -upX;
    upY = -upY;
    upZ = -upZ;
  }
}

function toByte(light: f64): u8 {
  // Bright light bends towards white (fit of the ACES film curve), then sRGB's gamma.
  const film = (light * (2.51 * light + 0.03)) / (light * (2.43 * light + 0.59) + 0.14);
  return <u8>(255 * Math.pow(Math.min(Math.max(film, 0), 1), 1 / 2.2) + 0.5);
}

let width: u32;
let height: u32;
let samples: u32;

function renderPixel(at: usize, x: u32, y: u32, seed: u64): void {
  seedDice(seed, <u64>y * width + x);
  let r: f64 = 0;
  let g: f64 = 0;
  let b: f64 = 0;
  for (let i: u32 = 0; i < samples; i++) {
    const across = (2 * (<f64>x + roll()) - <f64>width) / <f64>height * HALF_HEIGHT;
    const above = (<f64>height - 2 * (<f64>y + roll())) / <f64>height * HALF_HEIGHT;
    ox = EYE_X;
    oy = EYE_Y;
    oz = EYE_Z;
    dx = aheadX + across * rightX + above * upX;
    dy = aheadY + above * upY;
    dz = aheadZ + across * rightZ + above * upZ;
    normalise();
    follow();
    r += Math.min(lightR, PATH_LIGHT_MAX);
    g += Math.min(lightG, PATH_LIGHT_MAX);
    b += Math.min(lightB, PATH_LIGHT_MAX);
  }
  const exposure = 0.78 / <f64>samples;
  store<u8>(at, toByte(r * exposure));
  store<u8>(at, toByte(g * exposure), 1);
  store<u8>(at, toByte(b * exposure), 2);
}

function argWithin(index: u32, missing: u64, least: u64, most: u64): u32 {
  const value = argNumber(index, missing);
  if (value < least || value > most) fail("args are width height tileSize samples seed: out of range");
  return <u32>value;
}

export function _start(): void {
  width = argWithin(1, 320, 1, 16384);
  height = argWithin(2, 240, 1, 16384);
  const tileSize = argWithin(3, 32, 1, 1024);
  samples = argWithin(4, 32, 1, 65536);
  const seed = argNumber(5, 1);
  readRange();
  const columns = (width + tileSize - 1) / tileSize;
  const rows = (height + tileSize - 1) / tileSize;
  if (rangeEnd > <u64>columns * rows) fail("there are not so many tiles");
  if ((rangeEnd - rangeStart) * tileSize * tileSize * 3 > OUTPUT_BYTES_MAX) fail("too many tiles at once");
  buildScene();
  aimCamera();
  const pixels = heap.alloc(tileSize * tileSize * 3);
  for (let tile = <u32>rangeStart; tile < <u32>rangeEnd; tile++) {
    const left = (tile % columns) * tileSize;
    const top = (tile / columns) * tileSize;
    const right = min<u32>(left + tileSize, width);
    const bottom = min<u32>(top + tileSize, height);
    let at = pixels;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        renderPixel(at, x, y, seed);
        at += 3;
      }
    }
    write(pixels, <u32>(at - pixels));
  }
}
