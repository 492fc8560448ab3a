// Searches a block of complex radio samples for narrow signals whose frequency drifts, as that of a far transmitter on
// a turning planet does (E. J. Korpela et al., SETI@home, Computing in Science & Engineering 3(1), 2001).
//
// For each drift rate d the samples are multiplied by e^(-πi d t²), which makes a signal that drifts so a pure tone,
// and transformed: a tone of amplitude A gathers the power N²A² in one bin, noise of variance σ² has Nσ² in each, so
// that the signal stands out by N·A²/σ². Drifts are a bin over the block apart, 1/T² Hz/s with T = N/rate.
//
// The power of noise in a bin is distributed exponentially: P(power > x·mean) = e^(-x) (J. D. Scargle, Studies in
// astronomical time series analysis II, ApJ 263, 1982). Of N bins and D drifts, F are then expected above x = ln(N·D/F)
// by chance: that is the threshold, F = false alarms a block. Neighbouring drifts see nearly the same noise, so that
// there are fewer. The mean is the median of the powers without drift, divided by ln 2: signals do not lift it.
//
// Args: drift at most in Hz/s (default 10), false alarms a block (default 0.01).
//
// Input, little endian: "IQ08" (signed bytes) or "IQ32" (f32), N as u32, sample rate in Hz as f64, frequency of the
// middle of the band in Hz as f64; then N pairs of I and Q. N is a power of two, 16 to 2^20. Other blocks of a
// recording are other inputs.
//
// Output, the strongest first, at most 100 lines: "frequency,drift,power": Hz in the middle of the block, Hz/s, and the
// power in means of the noise. Nothing when there is nothing.

import {argDecimal} from "../lib/decimal";
import {byte, decimal, flush} from "../lib/text";
import {fail, inputAt, inputLength, readAll} from "../lib/wasi";
import {findHits, hitBin, hitCount, hitDrift, hitPower, noisePower, prepareSearch, searchDrifts} from "./search";

const HEAD_BYTES: u32 = 24;
const IQ08: u32 = 0x38305149;
const IQ32: u32 = 0x32335149;
const COUNT_MAX: u32 = 1 << 20;
const DRIFTS_MAX: f64 = 10_000;

let count: u32 = 0;
let rate: f64 = 0;
let middle: f64 = 0;

/** The samples as pairs of f64. */
function readSamples(): usize {
  readAll();
  const format = inputLength < HEAD_BYTES ? 0 : load<u32>(inputAt);
  if (format != IQ08 && format != IQ32) fail("the input does not begin with IQ08 or IQ32");
  count = load<u32>(inputAt, 4);
  rate = load<f64>(inputAt, 8);
  middle = load<f64>(inputAt, 16);
  if (count < 16 || count > COUNT_MAX || popcnt<u32>(count) != 1) fail("the samples are not 16, 32 … 1048576");
  if (!(rate > 0 && rate < 1e12 && Math.abs(middle) < 1e15)) fail("the sample rate or the frequency makes no sense");
  const each: u32 = format == IQ08 ? 1 : 4;
  if (inputLength != HEAD_BYTES + 2 * count * each) fail("there are not as many samples as the head says");
  const samples = heap.alloc(count * 16);
  const from = inputAt + HEAD_BYTES;
  for (let i: u32 = 0; i < 2 * count; i++) {
    const value = each == 1 ? <f64>load<i8>(from + i) : <f64>load<f32>(from + i * 4);
    if (!(Math.abs(value) < 1e15)) fail("a sample is not a number");
    store<f64>(samples + i * 8, value);
  }
  return samples;
}

function putHit(hit: u32, noise: f64): void {
  const bin = hitBin(hit);
  const offset = bin < count / 2 ? <f64>bin : <f64>bin - <f64>count;
  const seconds = <f64>count / rate;
  decimal(middle + offset / seconds);
  byte(0x2c);
  decimal(<f64>hitDrift(hit) / (seconds * seconds));
  byte(0x2c);
  decimal(hitPower(hit) / noise);
  byte(10);
}

export function _start(): void {
  const driftMost = argDecimal(1, 10);
  const falseAlarms = argDecimal(2, 0.01);
  const samples = readSamples();
  const seconds = <f64>count / rate;
  const drifts = driftMost * seconds * seconds;
  if (!(drifts >= 0 && drifts <= DRIFTS_MAX)) fail("the first arg is the drift in Hz/s: at most 10000 bins in a block");
  if (!(falseAlarms > 0 && falseAlarms <= 1000)) fail("the second arg is the false alarms a block, above 0");
  prepareSearch(samples, count);
  const noise = noisePower();
  // Nothing was received: there is no noise that could stand out.
  if (noise == 0) return;
  const most = <i32>drifts;
  searchDrifts(most);
  findHits(noise * Math.log(<f64>count * <f64>(2 * most + 1) / falseAlarms));
  for (let hit: u32 = 0; hit < hitCount; hit++) putHit(hit, noise);
  flush();
}
