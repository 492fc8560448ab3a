// What a hostile js app tries in order to get out, or to be felt by the next workunit. It is read as text and evaluated as
// the script of an app: the input names the attempt. An attempt returns what it got hold of; `told` says whether that is
// anything of the host.

// biome-ignore-all lint/security/noGlobalEval: it is hostile
// biome-ignore-all lint/suspicious: it is hostile
// biome-ignore-all lint/complexity: it is hostile
// biome-ignore-all lint/style: it is hostile
// biome-ignore-all lint/correctness: it is hostile
// biome-ignore-all lint/nursery: it is hostile
// biome-ignore-all lint/performance: it is hostile

const make = (f, text) => f.constructor(text);
const makers = {
  plain() {},
  async async() {},
  *generator() {},
  async *asyncGenerator() {},
};

/** A thing of the host, or its global object, is known by what hangs on it. */
function isHost(thing) {
  if ((typeof thing !== 'object' && typeof thing !== 'function') || thing === null) return false;
  if (thing === globalThis) return false;
  const marks = ['process', 'require', 'mainModule', 'binding', 'setTimeout', 'Buffer', 'lockdown'];
  marks.push(
    'Compartment',
    'WebAssembly',
    'readFileSync',
    'getFunction',
    'getThis',
    'exit',
    'kill',
  );
  return marks.some(mark => thing[mark] !== undefined) || thing.Object === Object;
}

/** SES refuses whatever looks like a direct call of it, so this is the only one there is. */
const evaluate = globalThis.eval;

const told = got => (isHost(got) ? 'REACHED' : `held ${typeof got}`);
const thrownBy = f => {
  try {
    f();
  } catch (error) {
    return error;
  }
  return undefined;
};
/** What it comes to, be it an error. */
const triedOf = f => {
  try {
    return f();
  } catch (error) {
    return error;
  }
};
/** All that hangs on a thing, however deep, without asking its getters. */
function allOf(start) {
  const seen = new Set();
  const open = [start];
  while (open.length > 0) {
    const thing = open.pop();
    if ((typeof thing !== 'object' && typeof thing !== 'function') || thing === null) continue;
    if (seen.has(thing)) continue;
    seen.add(thing);
    open.push(Object.getPrototypeOf(thing));
    for (const key of Reflect.ownKeys(thing)) {
      const {value, get, set} = Object.getOwnPropertyDescriptor(thing, key);
      open.push(value, get, set);
    }
  }
  seen.delete(globalThis);
  return [...seen];
}
/** First of the things that is the host's, or a way to it. */
const hostIn = things => things.find(thing => isHost(thing));
const deep = f => {
  const go = n => {
    try {
      f(n);
    } catch {}
    return go(n + 1) + 1;
  };
  return thrownBy(() => go(0));
};

const CODE = ['return this', 'return process', 'return globalThis.process', 'return require'];

const attempts = {
  // ---- code from strings
  'constructor.constructor': () => ({}).constructor.constructor('return process')(),
  Function: () => hostIn(CODE.map(code => triedOf(Function(code)))),
  'new Function': () => hostIn(CODE.map(code => triedOf(new Function(code)))),
  'constructors of functions': () =>
    hostIn(CODE.map(code => triedOf(() => make(makers.plain, code)()))),
  'the async function constructor': async () => await make(makers.async, 'return this')(),
  'the generator constructor': () => make(makers.generator, 'yield this')().next().value,
  'the async generator constructor': async () =>
    (await make(makers.asyncGenerator, 'yield this')().next()).value,
  eval: () => hostIn([evaluate('this'), evaluate('typeof process === "object" ? process : 0')]),
  'indirect eval': () =>
    hostIn([(0, eval)('this'), [eval][0]('this'), Reflect.apply(eval, 0, ['this'])]),
  'eval that leaves its function': () => evaluate('}); process; (() => {'),
  'Function that leaves its body': () => Function('}, process, function () {')(),
  'Function with a hostile argument': () => Function('a = this', 'return a')(),
  'this of a sloppy function': () => Function('return (function () { return this })()')(),
  'a var of eval': () => ((0, eval)('var leak = 1'), globalThis.leak),
  // ---- modules
  'import by eval': async () => await evaluate('im' + 'port("node:fs")'),
  'import with a comment': async () => await evaluate('im' + 'port/* */("node:fs")'),
  'import with a line break': async () => await evaluate('im' + 'port\n("node:fs")'),
  'import with a line separator': async () => await evaluate('im' + 'port\u2028("node:fs")'),
  'import with an escape': async () => await evaluate('im\\u0070ort("node:fs")'),
  'import by Function': async () => await Function('return im' + 'port("node:fs")')(),
  'import behind dots': async () => await evaluate('[...im' + 'port("node:fs")]'),
  'import.meta': () => evaluate('im' + 'port.meta'),
  'an import statement': () => evaluate('im' + 'port fs from "node:fs"; fs'),
  'an HTML comment': () => evaluate('1 <' + '!-- \n + 1'),
  require: () => evaluate('require("node:fs")'),
  module: () => evaluate('module.constructor._load("node:fs")'),
  // ---- what it was given
  'all that hangs on input and context': (input, context) => hostIn(allOf({input, context})),
  'all that hangs on the global object': () =>
    hostIn(allOf(Object.getOwnPropertyDescriptors(globalThis))),
  'constructors of functions it was given': (input, {save, progress, shared}) =>
    hostIn(
      [
        input.text,
        input.json,
        input.bytes,
        save,
        progress,
        shared.text,
        console.log,
        Math.random,
        Date.now,
      ].map(f => triedOf(() => f.constructor('return this')())),
    ),
  'callers of functions it was given': (input, {save}) => input.text.caller ?? save.arguments,
  'new of functions it was given': (input, {save}) => thrownBy(() => new save(new Uint8Array(1))),
  'other things as this': (input, {save}) =>
    input.text.call(globalThis) && Reflect.apply(save, null, [new Uint8Array(1)]),
  'a changed input': input =>
    thrownBy(() => Object.defineProperty(input, 'text', {value: 1})) && input,
  'a changed context': (_, context) =>
    thrownBy(() => (context.args.push('x'), (context.seed = 5))) && context,
  'a proxy for bytes': (_, {save}) =>
    thrownBy(() => save(new Proxy(new Uint8Array(2), {get: (_t, key) => key}))),
  'bytes that lie': (_, {save}) => {
    class Liar extends Uint8Array {
      get length() {
        return 2 ** 31;
      }
      get byteLength() {
        return -1;
      }
      get buffer() {
        return {};
      }
      static get [Symbol.species]() {
        throw new Error('asked');
      }
    }
    return save(new Liar(3));
  },
  'a number that lies': (_, {progress}) => thrownBy(() => progress({valueOf: () => 1})),
  'the rest of the buffer behind its input': input => {
    const bytes = input.bytes();
    bytes.fill(1);
    const own = bytes.length === bytes.buffer.byteLength && input.bytes()[0] !== 1;
    return own ? 1 : {process: 'more than its own'};
  },
  // ---- errors
  'callee.caller': () => Function('return arguments.callee.caller')(),
  'caller of itself': () =>
    (function f() {
      return f.caller;
    })(),
  prepareStackTrace: () => {
    thrownBy(() => {
      Error.prepareStackTrace = (_, sites) => sites;
    });
    const {stack} = new Error('x');
    return Array.isArray(stack) ? {process: stack} : stack;
  },
  captureStackTrace: () => {
    const target = {};
    Error.captureStackTrace?.(target);
    return typeof target.stack === 'object' ? {process: target.stack} : target.stack;
  },
  'paths in stacks': () =>
    /\/|node:|runner/.test(String(new Error('x').stack)) ? {process: 1} : 1,
  stackTraceLimit: () =>
    thrownBy(() => {
      Error.stackTraceLimit = 1e9;
    }) && 1,
  'errors of the host': (input, {save, progress}) => {
    const errors = [
      () => save(1),
      () => save(new Uint8Array(2 ** 21)),
      () => save(new Uint8Array(1), 2),
      () => progress('x'),
      () => input.json(),
      () => new TextDecoder('latin1'),
      () => new TextDecoder().decode(7),
      () => JSON.parse('{'),
      () => new TextDecoder('utf-8', {fatal: true}).decode(Uint8Array.of(255)),
      () => new Array(-1),
      () => null.x,
      () =>
        new TextEncoder().encode({
          toString() {
            throw new Error('mine');
          },
        }),
      () => evaluate('('),
    ].map(thrownBy);
    if (errors.includes(undefined)) return {process: `no error: ${errors.indexOf(undefined)}`};
    return hostIn(
      errors.flatMap(error => [
        ...allOf(error),
        triedOf(() => error.constructor.constructor('return this')()),
      ]),
    );
  },
  'an error at the end of the stack in the host': (input, {progress, save}) => {
    const found = [];
    for (const f of [
      () => input.text(),
      () => progress(0.5),
      () => save(new Uint8Array(9)),
      () => console.log('x'),
      () => Math.random(),
      () => new Date(),
      () => new TextDecoder().decode(input.bytes()),
    ])
      found.push(deep(f));
    return hostIn(found.flatMap(allOf));
  },
  // ---- the language itself
  'changes of the language': () => {
    const bad = () => 'POLLUTED';
    const kinds = [
      Object,
      Array,
      Function,
      Promise,
      String,
      Number,
      RegExp,
      Map,
      Set,
      Symbol,
      Error,
      Uint8Array,
      ArrayBuffer,
      Date,
      TextDecoder,
      TextEncoder,
      DataView,
      JSON,
      Math,
      Reflect,
      console,
      globalThis,
      WeakMap,
      Proxy,
    ];
    for (const kind of kinds)
      for (const thing of [
        kind,
        kind.prototype,
        kind.prototype && Object.getPrototypeOf(kind.prototype),
      ])
        for (const key of thing
          ? [...Reflect.ownKeys(thing), 'polluted', Symbol.iterator, 'toJSON', 'then']
          : []) {
          thrownBy(() => {
            thing[key] = bad;
          });
          thrownBy(() => Object.defineProperty(thing, key, {value: bad}));
          thrownBy(() => Object.defineProperty(thing, key, {get: bad}));
          if (
            thrownBy(() => {
              if (delete thing[key] && key in thing) throw 0;
            }) === undefined
          )
            continue;
        }
    for (const proto of [
      [][Symbol.iterator](),
      (function* () {})(),
      (async function* () {})(),
      new Map().entries(),
      'x'[Symbol.iterator](),
    ])
      for (
        let up = Object.getPrototypeOf(proto);
        up && up !== Object.prototype;
        up = Object.getPrototypeOf(up)
      )
        thrownBy(() => {
          up.next = bad;
        });
    return ({}.polluted ?? JSON.stringify([1]) === '[1]') ? undefined : {process: 'polluted'};
  },
  'another prototype for Object.prototype': () =>
    thrownBy(() => Object.setPrototypeOf(Object.prototype, {leak: 1})) && {}.leak,
  'names left behind': () => {
    thrownBy(() => {
      globalThis.leak = 1;
    });
    thrownBy(() => Object.defineProperty(globalThis, 'leak', {value: 1}));
    thrownBy(() => (0, eval)('leak = 1'));
    thrownBy(() => Function('leak = 1')());
    return globalThis.leak;
  },
  'RegExp statics': () => (
    /(secret)/.test('secret'), RegExp.$1 ?? RegExp.lastMatch ?? RegExp['$_']
  ),
  'names that are not there': () => {
    const names = [
      'process',
      'require',
      'module',
      'global',
      'Buffer',
      'SharedArrayBuffer',
      'Atomics',
      'WeakRef',
      'FinalizationRegistry',
      'Intl',
      'WebAssembly',
      'fetch',
      'setTimeout',
      'setInterval',
      'setImmediate',
      'queueMicrotask',
      'structuredClone',
      'performance',
      'crypto',
      'navigator',
      'Compartment',
      'lockdown',
      'harden',
      'gc',
      'URL',
      'Worker',
      'MessageChannel',
      'AbortController',
      'Event',
      'require',
      '__filename',
    ];
    const there = names.filter(
      name => name in globalThis || (0, eval)(`typeof ${name}`) !== 'undefined',
    );
    return there.length === 0 ? 1 : {process: there};
  },
  'the time': () => {
    const times = [
      Date.now(),
      +new Date(),
      new Date().getTimezoneOffset(),
      Date() === new Date(0).toString() ? 0 : 1,
    ];
    times.push(Date.prototype.constructor.now());
    times.push(+new (Object.getPrototypeOf(new Date()).constructor)());
    times.push(new Date().constructor === Date ? 0 : 1);
    return times.every(time => time === 0) ? 1 : {process: times};
  },
  'the bits of a NaN': () => {
    const nan = () => {
      const zero = 0;
      return zero / zero;
    };
    const seen = new Set();
    const own = new Float64Array(20_000);
    const shared = new ArrayBuffer(8 + 4 * 20_000);
    const single = new Float32Array(shared, 8);
    const view = new DataView(new ArrayBuffer(12));
    for (let i = 0; i < own.length; i++) {
      own[i] = i & 1 ? nan() : -nan();
      single[i] = i & 1 ? -(Infinity - Infinity) : nan();
      view.setFloat64(0, own[i]);
      view.setFloat32(8, own[i]);
      seen.add(view.getUint32(0)).add(view.getUint32(4)).add(view.getUint32(8));
    }
    for (const half of new Uint32Array(own.buffer)) seen.add(half);
    for (const word of new Int32Array(shared, 8)) seen.add(word);
    own[1] = nan();
    for (const half of new Uint32Array(own.buffer, 8, 2)) seen.add(half);
    const bits = [...seen].sort((a, b) => a - b).join();
    return bits === [0, 0x7fc00000, 0x7ff80000].join() ? 1 : {process: bits};
  },
  'numbers that share a buffer with floats': () => {
    const words = new Int32Array(new Float64Array(64).buffer);
    for (let i = 0; i < words.length; i++) words[i] = -i;
    const again = new Int32Array(words.buffer);
    const bytes = new Uint8Array(words.buffer);
    return again.every((word, i) => word === -i) && bytes.length === 512 ? 1 : {process: again};
  },
  'typed arrays that are not as they were': () => {
    class Mine extends Float64Array {}
    const mine = Mine.of(1, 2);
    const checks = [
      mine instanceof Mine && mine instanceof Float64Array && mine.length === 2,
      mine.map(x => x * 2)[1] === 4 && mine.subarray(1)[0] === 2,
      new Float64Array(2).constructor === Float64Array && Float64Array.BYTES_PER_ELEMENT === 8,
      new Uint8Array([1, 2]).slice(1)[0] === 2 && Uint8Array.from('12').join() === '1,2',
      new Uint8Array(new Set([3]))[0] === 3 && new Uint8Array(mine)[1] === 2,
      new Uint8Array().length === 0 && new Float32Array(3).length === 3 && Uint8Array.name,
      thrownBy(() => Uint8Array(1)) && thrownBy(() => new Float64Array(new ArrayBuffer(9), 1)),
      thrownBy(() => new DataView(1)) && new DataView(mine.buffer, 8).byteLength === 8,
    ];
    return checks.every(Boolean) ? 1 : {process: checks};
  },
  'other encodings': () =>
    ['utf-16le', 'latin1', 'x-user-defined'].filter(
      name => thrownBy(() => new TextDecoder(name)) === undefined,
    )[0],
  'handles of a decoder': () =>
    hostIn(allOf(new TextDecoder())) ?? Object.getOwnPropertySymbols(new TextDecoder())[0],
  'odd things to decode': () => {
    const decoder = new TextDecoder();
    const odd = [
      new Proxy(new Uint8Array(1), {}),
      {byteLength: 5},
      'text',
      1n,
      Object.create(Uint8Array.prototype),
      [1],
    ];
    return odd.every(one => thrownBy(() => decoder.decode(one)))
      ? decoder.decode(new DataView(new ArrayBuffer(2), 1))
      : {process: 1};
  },
  'a console that is abused': () => {
    const evil = {
      toString() {
        throw 1;
      },
      toJSON() {
        throw 2;
      },
      get message() {
        throw 3;
      },
    };
    console.log(
      evil,
      Symbol('x'),
      10n,
      () => {},
      new Proxy(
        {},
        {
          get() {
            throw 4;
          },
        },
      ),
      null,
    );
    const shown = {
      [Symbol.for('nodejs.util.inspect.custom')]: (_d, _o, inspect) => {
        evil.reached = inspect;
      },
    };
    console.error(shown, '%o', shown);
    return evil.reached && {process: 1};
  },
};

/** What the workunit after an attempt sees of the language. */
const probe = () => [
  globalThis.leak === undefined,
  {}.polluted === undefined,
  {}.leak === undefined,
  Object.isFrozen(Object.prototype),
  [3, 1, 2].sort().map(String).join(),
  new TextDecoder().decode(new TextEncoder().encode('ok')),
];
const dice = () => [Math.random(), Math.random(), +new Date(), Math.sin(1)];

({
  run(input, context) {
    const name = input.text();
    if (name === 'names') return Object.keys(attempts);
    if (name === 'probe') return probe();
    if (name === 'dice') return dice();
    const held = error => `held ${error?.name ?? typeof error}`;
    try {
      const got = attempts[name](input, context);
      return got instanceof Promise ? got.then(told, held) : told(got);
    } catch (error) {
      return held(error);
    }
  },
});
