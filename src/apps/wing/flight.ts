// The air, friction, and how far a tank of fuel goes. SI units.

export const GRAVITY: f64 = 9.80665;
const GAS: f64 = 287.05287;

// ---- air: U.S. Standard Atmosphere 1976 (as ICAO Doc 7488), up to 11,000 m ----------------------

const SEA_TEMPERATURE: f64 = 288.15;
const SEA_PRESSURE: f64 = 101_325;
/** Kelvin per metre. */
const LAPSE: f64 = 0.0065;

const EARTH_RADIUS: f64 = 6_356_766;

/** Kelvin; falls with the geopotential altitude. */
function temperature(altitude: f64): f64 {
  return SEA_TEMPERATURE - (LAPSE * EARTH_RADIUS * altitude) / (EARTH_RADIUS + altitude);
}

/** kg/m³ */
export function density(altitude: f64): f64 {
  const ratio = temperature(altitude) / SEA_TEMPERATURE;
  const pressure = SEA_PRESSURE * Math.pow(ratio, GRAVITY / (LAPSE * GAS));
  return pressure / (GAS * temperature(altitude));
}

/** kg/(m s), by Sutherland. */
export function viscosity(altitude: f64): f64 {
  const kelvin = temperature(altitude);
  return (1.458e-6 * kelvin * Math.sqrt(kelvin)) / (kelvin + 110.4);
}

/** m/s */
export function soundSpeed(altitude: f64): f64 {
  return Math.sqrt(1.4 * GAS * temperature(altitude));
}

// ---- drag ---------------------------------------------------------------------------------------

/** From here on a plate is turbulent, and 1700 is what its laminar part saves. */
const CRITICAL: f64 = 500_000;
const SAVED: f64 = 1700;

/**
 * Friction of one side of a flat plate: Blasius' 1.328/√Re, then Prandtl and Schlichting's 0.455/(lg Re)^2.58 - 1700/Re
 * (H. Schlichting, Boundary-Layer Theory, 7th ed., McGraw-Hill 1979, chapter 21).
 */
export function friction(reynolds: f64): f64 {
  if (reynolds < CRITICAL) return 1.328 / Math.sqrt(reynolds);
  return 0.455 / Math.pow(Math.log10(reynolds), 2.58) - SAVED / reynolds;
}

/** Profile drag: both sides of a plate times the form factor 1 + 2t + 60t⁴ (S. F. Hoerner, Fluid-Dynamic Drag, 1965). */
export function profileDrag(reynolds: f64, thickness: f64): f64 {
  const squared = thickness * thickness;
  return 2 * friction(reynolds) * (1 + 2 * thickness + 60 * squared * squared);
}

// ---- range --------------------------------------------------------------------------------------

const JOULES_PER_KWH: f64 = 3.6e6;

/**
 * Breguet's range with a propeller in metres: η/(g c) · L/D · ln(m0/m1), c in kg of fuel per joule (J. D. Anderson,
 * Introduction to Flight, 5th ed., McGraw-Hill 2005, section 6.12). `consumption` in kg/kWh.
 */
export function range(liftToDrag: f64, propeller: f64, consumption: f64, mass: f64, fuel: f64): f64 {
  const perJoule = consumption / JOULES_PER_KWH;
  return (propeller / (GRAVITY * perJoule)) * liftToDrag * Math.log(mass / (mass - fuel));
}
