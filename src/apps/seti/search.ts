// The search: for each drift the samples are turned back against it and transformed; what stands out of the noise in
// any of these spectra is a hit, unless it is the skirt of a stronger one.

import {fft, prepareFft} from "../lib/fft";

/** At most so many signals of a block. */
const HITS_MAX: u32 = 100;
/** Bins on each side of a signal that belong to it in any case. */
const WIDTH: f64 = 2;

let count: u32 = 0;
/** Samples, turned against the drift, and their spectrum: pairs of f64. */
let samples: usize = 0;
let spectrum: usize = 0;
/** Of each bin: the largest power of all drifts, and which of them it was. */
let best: usize = 0;
let bestDrift: usize = 0;

export let hitCount: u32 = 0;
const hitBins: usize = memory.data(400);
const hitDrifts: usize = memory.data(400);
const hitPowers: usize = memory.data(800);

export function prepareSearch(at: usize, size: u32): void {
  samples = at;
  count = size;
  prepareFft(size);
  spectrum = heap.alloc(size * 16);
  best = heap.alloc(size * 8);
  bestDrift = heap.alloc(size * 4);
  memory.fill(best, 0, size * 8);
}

/** Turns the samples: times e^(-πi d t²), t from the middle of the block; `drift` in bins over the block. */
function turn(drift: f64): void {
  for (let i: u32 = 0; i < count; i++) {
    setChirp(drift, i);
    turnSample(i, chirpRe, chirpIm);
  }
}

let chirpRe: f64 = 0;
let chirpIm: f64 = 0;

function setChirp(drift: f64, i: u32): void {
  const t = (<f64>i - <f64>count / 2) / <f64>count;
  const turns = 0.5 * drift * t * t;
  const angle = 2 * Math.PI * (turns - Math.floor(turns));
  chirpRe = Math.cos(angle);
  chirpIm = -Math.sin(angle);
}

function turnSample(i: u32, byRe: f64, byIm: f64): void {
  const re = load<f64>(samples + i * 16);
  const im = load<f64>(samples + i * 16, 8);
  store<f64>(samples + i * 16, re * byRe - im * byIm);
  store<f64>(samples + i * 16, re * byIm + im * byRe, 8);
}

function transform(): void {
  memory.copy(spectrum, samples, count * 16);
  fft(spectrum);
}

function powerOf(bin: u32): f64 {
  const re = load<f64>(spectrum + bin * 16);
  const im = load<f64>(spectrum + bin * 16, 8);
  return re * re + im * im;
}

function keepBest(drift: i32): void {
  for (let bin: u32 = 0; bin < count; bin++) {
    const power = powerOf(bin);
    if (power <= load<f64>(best + bin * 8)) continue;
    store<f64>(best + bin * 8, power);
    store<i32>(bestDrift + bin * 4, drift);
  }
}

/** The spectra with drifts of -most … most bins over the block. A turn by one bin more is a product each. */
export function searchDrifts(most: i32): void {
  const chirp = heap.alloc(count * 16);
  for (let i: u32 = 0; i < count; i++) {
    setChirp(1, i);
    store<f64>(chirp + i * 16, chirpRe);
    store<f64>(chirp + i * 16, chirpIm, 8);
  }
  turn(<f64>-most);
  for (let drift = -most; drift <= most; drift++) {
    transform();
    keepBest(drift);
    for (let i: u32 = 0; i < count; i++) turnSample(i, load<f64>(chirp + i * 16), load<f64>(chirp + i * 16, 8));
  }
}

/** The middle of the `count` powers at `at`, which are moved about (C. A. R. Hoare's FIND, 1961). */
function median(at: usize): f64 {
  const middle = count / 2;
  let low: i32 = 0;
  let high: i32 = count - 1;
  while (low < high) {
    const pivot = load<f64>(at + middle * 8);
    let i = low;
    let j = high;
    while (i <= j) {
      while (load<f64>(at + i * 8) < pivot) i++;
      while (load<f64>(at + j * 8) > pivot) j--;
      if (i > j) break;
      const swap = load<f64>(at + i * 8);
      store<f64>(at + i++ * 8, load<f64>(at + j * 8));
      store<f64>(at + j-- * 8, swap);
    }
    if (j < <i32>middle) low = i;
    if (i > <i32>middle) high = j;
  }
  return load<f64>(at + middle * 8);
}

/** Mean power of the noise in a bin without drift: a few strong signals do not lift it. Comes before the search. */
export function noisePower(): f64 {
  transform();
  for (let bin: u32 = 0; bin < count; bin++) store<f64>(best + bin * 8, powerOf(bin));
  const middle = median(best);
  memory.fill(best, 0, count * 8);
  return middle / Math.LN2;
}

export function hitBin(hit: u32): u32 {
  return load<u32>(hitBins + hit * 4);
}

export function hitDrift(hit: u32): i32 {
  return load<i32>(hitDrifts + hit * 4);
}

export function hitPower(hit: u32): f64 {
  return load<f64>(hitPowers + hit * 8);
}

/**
 * Whether `bin` shows no more than the signal `hit` and noise: with a drift that is wrong by n bins a signal is smeared
 * over n bins about its middle, and a block that begins and ends at once throws 1/(πd)² of it d bins away. Twice the
 * amplitude, for a signal between two bins is stronger than it shows.
 */
function isSkirt(bin: u32, hit: u32, threshold: f64): bool {
  const apart = <u32>abs<i32>(<i32>bin - <i32>hitBin(hit));
  const smear = <f64>abs<i32>(load<i32>(bestDrift + bin * 4) - hitDrift(hit)) / 2;
  const distance = <f64>min<u32>(apart, count - apart) - smear;
  if (distance <= WIDTH) return true;
  const skirt = (2 * Math.sqrt(hitPower(hit))) / (Math.PI * (distance - 1));
  return Math.sqrt(load<f64>(best + bin * 8)) < skirt + Math.sqrt(threshold);
}

/** Finds the signals above this power, the strongest first. */
export function findHits(threshold: f64): void {
  while (hitCount < HITS_MAX) {
    let strongest: u32 = 0;
    let power: f64 = threshold;
    for (let bin: u32 = 0; bin < count; bin++) {
      if (load<f64>(best + bin * 8) <= power) continue;
      power = load<f64>(best + bin * 8);
      strongest = bin;
    }
    if (power == threshold) return;
    const hit = hitCount++;
    store<u32>(hitBins + hit * 4, strongest);
    store<i32>(hitDrifts + hit * 4, load<i32>(bestDrift + strongest * 4));
    store<f64>(hitPowers + hit * 8, power);
    for (let bin: u32 = 0; bin < count; bin++) if (isSkirt(bin, hit, threshold)) store<f64>(best + bin * 8, 0);
  }
}
