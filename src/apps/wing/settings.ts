// What is asked: numbers by name, from args (name=value) and from members of JSON objects. Each has a default, a least
// and a most.

import {parseDecimal, parsedEnd} from "../lib/decimal";
import {failAtLine} from "../lib/lines";
import {argLength, argText, argsLength, fail} from "../lib/wasi";

const COUNT = 18;

// The order of the tables below.
export const NACA = 0;
export const CAMBER = 1;
export const CAMBER_AT = 2;
export const THICKNESS = 3;
export const PANELS = 4;
export const ALPHA = 5;
export const ALPHA_STEP = 6;
export const SPAN = 7;
export const CHORD = 8;
export const SPAN_EFFICIENCY = 9;
export const SPEED = 10;
export const ALTITUDE = 11;
export const OTHER_DRAG = 12;
export const MASS = 13;
export const FUEL = 14;
export const PROPELLER = 15;
export const CONSUMPTION = 16;
export const PRESSURE = 17;

const names: StaticArray<string> = [
  "naca", "camber", "camberAt", "thickness", "panels", "alpha", "alphaStep", "span", "chord", "spanEfficiency",
  "speed", "altitude", "otherDrag", "mass", "fuel", "propeller", "consumption", "pressure",
];
const defaults: StaticArray<f64> = [2412, 2, 40, 12, 160, 0, 1, 15, 1.2, 0.85, 70, 3000, 0.01, 1500, 500, 0.8, 0.3, 0];
const least: StaticArray<f64> = [1, 0, 5, 1, 10, -45, -45, 0.01, 0.01, 0.1, 1, 0, 0, 0.01, 0, 0.01, 0.001, 0];
const most: StaticArray<f64> = [
  9999, 20, 95, 40, 400, 45, 45, 1e6, 1000, 1, 400, 11000, 10, 1e6, 1e6, 1, 10, 1,
];

const values: StaticArray<f64> = new StaticArray<f64>(COUNT);
const base: StaticArray<f64> = new StaticArray<f64>(COUNT);

export function setting(index: i32): f64 {
  return unchecked(values[index]);
}

function isName(index: i32, at: usize, end: usize): bool {
  const name = unchecked(names[index]);
  if (end - at != <usize>name.length) return false;
  for (let i = 0; i < name.length; i++) if (load<u8>(at + i) != <u8>name.charCodeAt(i)) return false;
  return true;
}

/** `naca` is short for camber, camberAt and thickness. */
function setSection(digits: u32): void {
  values[CAMBER] = digits / 1000;
  // A section without camber has it nowhere.
  values[CAMBER_AT] = digits < 1000 ? 40 : <f64>((digits / 100) % 10 * 10);
  values[THICKNESS] = digits % 100;
}

/** Sets the one of this name; false = there is none, or the number is out of its bounds. */
export function setByName(at: usize, end: usize, value: f64): bool {
  for (let i = 0; i < COUNT; i++) {
    if (!isName(i, at, end)) continue;
    if (!(value >= least[i] && value <= most[i])) return false;
    values[i] = value;
    if (i == NACA) setSection(<u32>value);
    return (i != NACA && i != PANELS) || Math.floor(value) == value;
  }
  return false;
}

/** Defaults and args: what each line begins with. */
export function readArgs(): void {
  for (let i = 0; i < COUNT; i++) values[i] = defaults[i];
  for (let arg: u32 = 1; arg < argsLength(); arg++) {
    const at = argText(arg);
    const end = at + argLength(arg);
    let mark = at;
    while (mark < end && load<u8>(mark) != 0x3d) mark++;
    const value = parseDecimal(mark + 1, end);
    if (parsedEnd != end || !setByName(at, mark, value)) fail("arg " + arg.toString() + " is no known name=number in its bounds");
  }
  for (let i = 0; i < COUNT; i++) base[i] = values[i];
}

export function forgetLine(): void {
  for (let i = 0; i < COUNT; i++) values[i] = base[i];
}

/** What no single number shows. */
export function checkSettings(): void {
  if (values[FUEL] >= values[MASS]) failAtLine("the fuel is part of the mass");
  if (values[CAMBER_AT] < 5 || values[THICKNESS] < 1) failAtLine("no such NACA section");
  if (<u32>values[PANELS] % 2 != 0) failAtLine("the number of panels is odd");
}
