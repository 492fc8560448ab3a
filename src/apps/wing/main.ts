// Lift and drag of a wing, and whether it carries you from Edinburgh to New York, 5,250 km, on one tank.
//
// The flow about the section is that of vortex panels (section.ts), friction that of a plate (flight.ts). The wing is
// a rectangle with the aspect ratio A = span/chord: by lifting-line theory (L. Prandtl 1918; J. D. Anderson,
// Fundamentals of Aerodynamics, 3rd ed., McGraw-Hill 2001, section 5.3) its section meets the air at the angle
// α - CL/(π e A), and lift costs the drag CL²/(π e A), e = spanEfficiency. Range is Breguet's at this angle and speed.
//
// Flow is without friction, separation and compressibility: angles at which a real wing stalls (from some 12° on) look
// better than they are, and Mach numbers above 0.4 are refused.
//
// Input: lines of JSON objects with numbers, or "start end": angles alpha + n·alphaStep, start ≤ n < end. Args:
// name=value, for all lines. Names, in brackets the default:
//
//   naca [2412], or camber [2], camberAt [40], thickness [12] in % of the chord · panels [160], even, 10 to 400
//   alpha [0] ° · alphaStep [1] ° · span [15] m · chord [1.2] m · spanEfficiency [0.85]
//   speed [70] m/s · altitude [3000] m · otherDrag [0.01]: coefficient of fuselage and all else, by the wing's area
//   mass [1500] kg with full tank · fuel [500] kg · propeller [0.8]: its efficiency · consumption [0.3] kg/kWh
//   pressure [0]: 1 = the pressures of the section, too
//
// Output: a line of JSON for each: angles in °, coefficients by the wing's area, lift in N; crosses = it lifts its mass
// and goes 5,250 km. (One that lifts more flies slower at this angle, and with a propeller just as far.)

import {nameAt, nameEnd, memberValue, nextMember, openObject} from "../lib/json";
import {failAtLine, lineAt, lineEnd, nextLine, openLines} from "../lib/lines";
import {parseDecimal, parsedEnd} from "../lib/decimal";
import {ascii, byte, decimal, flush} from "../lib/text";
import {density, GRAVITY, profileDrag, range, soundSpeed, viscosity} from "./flight";
import {
  addPressures, liftAt, liftSlope, moment, panelCount, panelX, pressureAt, pressureDrag, setSection, zeroLift,
} from "./section";
import {
  ALPHA, ALPHA_STEP, ALTITUDE, CAMBER, CAMBER_AT, checkSettings, CHORD, CONSUMPTION, forgetLine, FUEL, MASS, OTHER_DRAG,
  PANELS, PRESSURE, PROPELLER, readArgs, setByName, setting, SPAN, SPAN_EFFICIENCY, SPEED, THICKNESS,
} from "./settings";

const ATLANTIC_KM: f64 = 5250;
const MACH_MAX: f64 = 0.4;
const ANGLES_MAX: f64 = 1000;
const DEGREES: f64 = 180 / Math.PI;

function put(name: string, value: f64): void {
  ascii(name);
  decimal(value);
}

function putFlag(name: string, value: bool): void {
  ascii(name);
  ascii(value ? "true" : "false");
}

/** Where the section meets the air: e + cl(e)/(π e A) = alpha, by Newton's steps. */
function effectiveAngle(alpha: f64, span: f64): f64 {
  let angle = alpha;
  for (let i = 0; i < 20; i++) {
    const slope = liftSlope() * Math.cos(angle - zeroLift());
    angle -= (angle + liftAt(angle) / span - alpha) / (1 + slope / span);
  }
  return angle;
}

function putPressures(angle: f64): void {
  ascii(",\"x\":[");
  for (let i: u32 = 0; i < panelCount(); i++) {
    if (i > 0) byte(0x2c);
    decimal(panelX(i));
  }
  ascii("],\"cp\":[");
  for (let i: u32 = 0; i < panelCount(); i++) {
    if (i > 0) byte(0x2c);
    decimal(pressureAt(i, angle));
  }
  byte(0x5d);
}

function fly(alpha: f64): void {
  const thickness = setting(THICKNESS) / 100;
  setSection(setting(CAMBER) / 100, setting(CAMBER_AT) / 100, thickness, <u32>setting(PANELS));
  const speed = setting(SPEED);
  const altitude = setting(ALTITUDE);
  const mach = speed / soundSpeed(altitude);
  if (mach > MACH_MAX) failAtLine("above Mach 0.4 air is compressed: fly slower");
  const aspect = setting(SPAN) / setting(CHORD);
  const span = Math.PI * setting(SPAN_EFFICIENCY) * aspect;
  const angle = effectiveAngle(alpha / DEGREES, span);
  const lift = liftAt(angle);
  addPressures(angle);
  const air = density(altitude);
  const reynolds = (air * speed * setting(CHORD)) / viscosity(altitude);
  const profile = profileDrag(reynolds, thickness);
  const induced = (lift * lift) / span;
  const drag = profile + induced + setting(OTHER_DRAG);
  const newtons = 0.5 * air * speed * speed * setting(SPAN) * setting(CHORD) * lift;
  const lifts = newtons >= setting(MASS) * GRAVITY;
  const metres = range(max<f64>(lift, 0) / drag, setting(PROPELLER), setting(CONSUMPTION), setting(MASS), setting(FUEL));
  put("{\"alpha\":", alpha);
  put(",\"sectionAlpha\":", angle * DEGREES);
  put(",\"zeroLiftAlpha\":", zeroLift() * DEGREES);
  put(",\"sectionSlope\":", liftSlope());
  put(",\"cl\":", lift);
  put(",\"cd\":", drag);
  put(",\"cm\":", moment);
  put(",\"cdProfile\":", profile);
  put(",\"cdInduced\":", induced);
  put(",\"cdPressure\":", pressureDrag);
  put(",\"reynolds\":", reynolds);
  put(",\"mach\":", mach);
  put(",\"liftToDrag\":", lift / drag);
  put(",\"liftN\":", newtons);
  put(",\"rangeKm\":", metres / 1000);
  putFlag(",\"lifts\":", lifts);
  putFlag(",\"crosses\":", lifts && metres / 1000 >= ATLANTIC_KM);
  if (setting(PRESSURE) != 0) putPressures(angle);
  ascii("}\n");
}

function flyObject(): void {
  openObject(lineAt, lineEnd);
  while (nextMember())
    if (!setByName(nameAt, nameEnd, memberValue))
      failAtLine("an unknown name, or a number out of its bounds: " + String.UTF8.decodeUnsafe(nameAt, nameEnd - nameAt));
  checkSettings();
  fly(setting(ALPHA));
}

function flyRange(): void {
  const start = parseDecimal(lineAt, lineEnd);
  const space = parsedEnd;
  const end = parseDecimal(min<usize>(space + 1, lineEnd), lineEnd);
  const isRange = parsedEnd == lineEnd && space < lineEnd && load<u8>(space) == 32 && start <= end;
  if (!isRange || end - start > ANGLES_MAX) failAtLine("neither a JSON object nor \"start end\" of at most 1000 angles");
  checkSettings();
  for (let n = start; n < end; n++) fly(setting(ALPHA) + n * setting(ALPHA_STEP));
}

export function _start(): void {
  readArgs();
  openLines(0);
  while (nextLine()) {
    if (lineAt == lineEnd) continue;
    forgetLine();
    if (load<u8>(lineAt) == 0x7b) flyObject();
    else flyRange();
  }
  flush();
}
