// How a batch compares outputs: what the operator says, checked and with its defaults. Pure.

import type {Compare, CompareRequest, NumberFormat} from '../core/compare.ts';
import type {AppRow} from '../core/tables.ts';

/** A double has 16 digits, a float 7: some are lost on the way. */
const TOLERANCES: Readonly<Record<NumberFormat, readonly [number, number]>> = {
  json: [1e-9, 1e-12],
  f64: [1e-9, 1e-12],
  f32: [1e-5, 1e-8],
};

/** The comparison, undefined for that of bytes, or what is wrong with it. */
export function compareOf(
  wanted: CompareRequest | undefined,
  appOf: (name: string) => AppRow | undefined,
): Compare | string | undefined {
  if (wanted === undefined || wanted.kind === 'exact') return undefined;
  if (wanted.kind === 'custom') {
    const app = appOf(wanted.app);
    if (!app) return `there is no comparison app named ${wanted.app}`;
    if (app.runtime !== 'wasm') return `a comparison app is a wasm app, and ${wanted.app} is not`;
    return {kind: 'custom', app: app.name, appId: app.appId};
  }
  const format = wanted.format ?? 'json';
  const [relative, absolute] = TOLERANCES[format];
  const {rtol = relative, atol = absolute} = wanted;
  if (!(rtol >= 0 && rtol < 1)) return `rtol must be at least 0 and below 1, not ${rtol}`;
  if (!(atol >= 0 && Number.isFinite(atol))) return `atol must be at least 0, not ${atol}`;
  return {kind: 'numeric', format, rtol, atol};
}
