// Flow about a section: vortex panels whose strength varies linearly along each (A. M. Kuethe, C.-Y. Chow, Foundations
// of Aerodynamics, 4th ed., Wiley 1986, section 5.10; also J. Katz, A. Plotkin, Low-Speed Aerodynamics, 2nd ed.,
// Cambridge 2001, section 11.4). No flow crosses the middle of a panel, and the strengths at both sides of the
// trailing edge cancel (Kutta). Lengths are in chords, speeds in those of the air.
//
// The section: I. N. Jacobs, K. E. Ward, R. M. Pinkerton, NACA Report 460 (1933), with the last coefficient of the
// thickness -0.1036 in place of -0.1015, which closes the trailing edge. Points lie closer at both edges:
// x = (1 + cos β)/2, from the trailing edge along the lower side to the nose and back along the upper one.
//
// The flow at any angle is cos α times that at 0° and sin α times that at 90°: two right sides, solved once.

const PANELS_MAX: u32 = 400;

let count: u32 = 0;
// Ends of panels, count + 1 of them.
const xs = new StaticArray<f64>(PANELS_MAX + 1);
const ys = new StaticArray<f64>(PANELS_MAX + 1);
// Of each panel: middle, length, direction.
const midX = new StaticArray<f64>(PANELS_MAX);
const midY = new StaticArray<f64>(PANELS_MAX);
const length = new StaticArray<f64>(PANELS_MAX);
const theta = new StaticArray<f64>(PANELS_MAX);

/** Rows of count + 3: strengths at the ends, then both right sides. */
let normal: usize = 0;
/** Rows of count + 1: what the strengths add to the speed along the panel. */
let along: usize = 0;

// At 0° and at 90°: speed along each panel, and circulation.
const speed0 = new StaticArray<f64>(PANELS_MAX);
const speed90 = new StaticArray<f64>(PANELS_MAX);
let lift0: f64 = 0;
let lift90: f64 = 0;

// ---- geometry -----------------------------------------------------------------------------------

function placePoint(i: u32, camber: f64, camberAt: f64, thickness: f64): void {
  const x = 0.5 * (1 + Math.cos((2 * Math.PI * <f64>i) / <f64>count));
  const curve = 0.2969 * Math.sqrt(x) - x * (0.126 + x * (0.3516 - x * (0.2843 - x * 0.1036)));
  const half = 5 * thickness * curve;
  const isFront = x < camberAt;
  const width = isFront ? camberAt : 1 - camberAt;
  const scale = camber / (width * width);
  const line = isFront ? scale * x * (2 * camberAt - x) : scale * (1 - 2 * camberAt + x * (2 * camberAt - x));
  const slope = 2 * scale * (camberAt - x);
  const root = Math.sqrt(1 + slope * slope);
  const side: f64 = i < count / 2 ? -1 : 1;
  unchecked((xs[i] = x - (side * half * slope) / root));
  unchecked((ys[i] = line + (side * half) / root));
}

function placePanels(camber: f64, camberAt: f64, thickness: f64): void {
  for (let i: u32 = 0; i <= count; i++) placePoint(i, camber, camberAt, thickness);
  xs[0] = xs[count] = 1;
  ys[0] = ys[count] = 0;
  for (let i: u32 = 0; i < count; i++) {
    const dx = xs[i + 1] - xs[i];
    const dy = ys[i + 1] - ys[i];
    midX[i] = 0.5 * (xs[i] + xs[i + 1]);
    midY[i] = 0.5 * (ys[i] + ys[i + 1]);
    length[i] = Math.sqrt(dx * dx + dy * dy);
    theta[i] = Math.atan2(dy, dx);
  }
}

// ---- influence of panels ------------------------------------------------------------------------

function add(at: usize, value: f64): void {
  store<f64>(at, load<f64>(at) + value);
}

/** What panel j does at the middle of panel i: the strengths at its beginning and at its end. */
function influence(i: u32, j: u32): void {
  const row = normal + (i * (count + 3) + j) * 8;
  const speeds = along + (i * (count + 1) + j) * 8;
  if (i == j) {
    add(row, -1);
    add(row + 8, 1);
    add(speeds, 0.5 * Math.PI);
    add(speeds + 8, 0.5 * Math.PI);
    return;
  }
  const dx = unchecked(midX[i] - xs[j]);
  const dy = unchecked(midY[i] - ys[j]);
  const own = unchecked(theta[i]);
  const other = unchecked(theta[j]);
  const s = unchecked(length[j]);
  const cos = Math.cos(other);
  const sin = Math.sin(other);
  const a = -dx * cos - dy * sin;
  const b = dx * dx + dy * dy;
  const c = Math.sin(own - other);
  const d = Math.cos(own - other);
  const e = dx * sin - dy * cos;
  const f = Math.log(1 + (s * (s + 2 * a)) / b);
  const g = Math.atan2(e * s, b + a * s);
  const p = dx * Math.sin(own - 2 * other) + dy * Math.cos(own - 2 * other);
  const q = dx * Math.cos(own - 2 * other) - dy * Math.sin(own - 2 * other);
  const normal2 = d + (0.5 * q * f) / s - ((a * c + d * e) * g) / s;
  const along2 = c + (0.5 * p * f) / s + ((a * d - c * e) * g) / s;
  add(row, 0.5 * d * f + c * g - normal2);
  add(row + 8, normal2);
  add(speeds, 0.5 * c * f - d * g - along2);
  add(speeds + 8, along2);
}

function fillMatrices(): void {
  const width = count + 3;
  memory.fill(normal, 0, (count + 1) * width * 8);
  memory.fill(along, 0, count * (count + 1) * 8);
  for (let i: u32 = 0; i < count; i++) {
    for (let j: u32 = 0; j < count; j++) influence(i, j);
    store<f64>(normal + (i * width + count + 1) * 8, Math.sin(theta[i]));
    store<f64>(normal + (i * width + count + 2) * 8, -Math.cos(theta[i]));
  }
  store<f64>(normal + count * width * 8, 1);
  store<f64>(normal + (count * width + count) * 8, 1);
}

// ---- solution -----------------------------------------------------------------------------------

function pivot(column: u32, size: u32, width: u32): void {
  let best = column;
  for (let row = column + 1; row < size; row++)
    if (abs(load<f64>(normal + (row * width + column) * 8)) > abs(load<f64>(normal + (best * width + column) * 8)))
      best = row;
  if (best == column) return;
  for (let i = column; i < width; i++) {
    const a = normal + (column * width + i) * 8;
    const b = normal + (best * width + i) * 8;
    const swap = load<f64>(a);
    store<f64>(a, load<f64>(b));
    store<f64>(b, swap);
  }
}

/** Gauss, with the largest pivot of each column; the strengths take the place of the right sides. */
function solve(): void {
  const size = count + 1;
  const width = count + 3;
  for (let column: u32 = 0; column < size; column++) {
    pivot(column, size, width);
    const source = normal + column * width * 8;
    for (let row = column + 1; row < size; row++) {
      const target = normal + row * width * 8;
      const factor = load<f64>(target + column * 8) / load<f64>(source + column * 8);
      if (factor == 0) continue;
      for (let i = column; i < width; i++) add(target + i * 8, -factor * load<f64>(source + i * 8));
    }
  }
  for (let row: i32 = count; row >= 0; row--) {
    const own = normal + row * width * 8;
    for (let side = size; side < width; side++) {
      let rest = load<f64>(own + side * 8);
      for (let i: u32 = row + 1; i < size; i++) rest -= load<f64>(own + i * 8) * load<f64>(normal + (i * width + side) * 8);
      store<f64>(own + side * 8, rest / load<f64>(own + row * 8));
    }
  }
}

function strength(i: u32, side: u32): f64 {
  return load<f64>(normal + (i * (count + 3) + count + 1 + side) * 8);
}

function takeSpeeds(): void {
  lift0 = lift90 = 0;
  for (let i: u32 = 0; i < count; i++) {
    let sum0 = Math.cos(theta[i]);
    let sum90 = Math.sin(theta[i]);
    for (let j: u32 = 0; j <= count; j++) {
      const part = load<f64>(along + (i * (count + 1) + j) * 8);
      sum0 += part * strength(j, 0);
      sum90 += part * strength(j, 1);
    }
    speed0[i] = sum0;
    speed90[i] = sum90;
    // Kutta and Joukowski: cl = 2Γ/(V c); strengths are in 2πV.
    lift0 += 2 * Math.PI * length[i] * (strength(i, 0) + strength(i + 1, 0));
    lift90 += 2 * Math.PI * length[i] * (strength(i, 1) + strength(i + 1, 1));
  }
}

let known0: f64 = -1;
let known1: f64 = -1;
let known2: f64 = -1;

/** Computes the flow about the section: camber, where it is largest, and thickness in chords. */
export function setSection(camber: f64, camberAt: f64, thickness: f64, panels: u32): void {
  if (camber == known0 && camberAt == known1 && thickness == known2 && panels == count) return;
  known0 = camber;
  known1 = camberAt;
  known2 = thickness;
  count = panels;
  if (normal == 0) {
    normal = heap.alloc((PANELS_MAX + 1) * (PANELS_MAX + 3) * 8);
    along = heap.alloc(PANELS_MAX * (PANELS_MAX + 1) * 8);
  }
  placePanels(camber, camberAt, thickness);
  fillMatrices();
  solve();
  takeSpeeds();
}

// ---- what it gives ------------------------------------------------------------------------------

/** Lift coefficient at an angle in radians, by the circulation. */
export function liftAt(alpha: f64): f64 {
  return lift0 * Math.cos(alpha) + lift90 * Math.sin(alpha);
}

/** Its change per radian at zero lift; cl = slope · sin(alpha - zeroLift). */
export function liftSlope(): f64 {
  return Math.sqrt(lift0 * lift0 + lift90 * lift90);
}

/** Angle without lift, in radians. */
export function zeroLift(): f64 {
  return -Math.atan2(lift0, lift90);
}

export let pressureDrag: f64 = 0;
/** About the quarter chord, nose up positive. */
export let moment: f64 = 0;

export function panelCount(): u32 {
  return count;
}

export function panelX(i: u32): f64 {
  return midX[i];
}

/** Pressure coefficient at the middle of a panel. */
export function pressureAt(i: u32, alpha: f64): f64 {
  const speed = speed0[i] * Math.cos(alpha) + speed90[i] * Math.sin(alpha);
  return 1 - speed * speed;
}

/** Adds up the pressures: `moment`, and `pressureDrag`, which is 0 in a perfect flow (d'Alembert). */
export function addPressures(alpha: f64): void {
  let forceX: f64 = 0;
  let forceY: f64 = 0;
  moment = 0;
  for (let i: u32 = 0; i < count; i++) {
    const push = pressureAt(i, alpha) * length[i];
    const x = push * Math.sin(theta[i]);
    const y = -push * Math.cos(theta[i]);
    forceX += x;
    forceY += y;
    moment -= (midX[i] - 0.25) * y - midY[i] * x;
  }
  pressureDrag = forceX * Math.cos(alpha) + forceY * Math.sin(alpha);
}
