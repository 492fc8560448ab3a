import {Prng} from '../../src/base/prng.ts';
import {SimShelf} from '../../src/sim/sim-shelf.ts';
import {SimStore} from '../../src/sim/sim-store.ts';
import {shelfSuite} from '../ports/shelf.ts';
import {commit} from '../ports/store.ts';

shelfSuite('sim-shelf', async ops => {
  const later = (_ms: number, act: () => void) => setImmediate(act);
  const store = new SimStore({after: later, latencyMs: () => 1, prng: new Prng(1)});
  await commit(store, ...ops);
  const clock = {after: (_ms: number, _event: number, act: () => void) => setImmediate(act)};
  return new SimShelf(clock, store, () => 1);
});
