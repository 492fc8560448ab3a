// All that a js app may do at its end: what it returns or throws, and how it does not come to an end. It is read as text and
// evaluated as the script of an app: the input names one of them.

// biome-ignore-all lint/security/noGlobalEval: it is hostile
// biome-ignore-all lint/suspicious: it is hostile
// biome-ignore-all lint/complexity: it is hostile
// biome-ignore-all lint/style: it is hostile
// biome-ignore-all lint/correctness: it is hostile
// biome-ignore-all lint/nursery: it is hostile
// biome-ignore-all lint/performance: it is hostile

const thrownBy = f => {
  try {
    f();
  } catch (error) {
    return error;
  }
  return undefined;
};

const ends = {
  'returns nothing': () => undefined,
  'throws what it said before': () => {
    console.log('last', {words: 1});
    throw new TypeError('mine');
  },
  // ---- what it returns; the test says what has to come of it
  'returns a proxy': () =>
    new Proxy({a: 1}, {get: (target, key) => (key === 'then' ? undefined : target[key])}),
  'returns a proxy that throws': () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error('from a trap');
        },
      },
    ),
  'returns what is asked for its own form': () => ({toJSON: () => 'form'}),
  'throws when asked for its form': () => ({
    toJSON() {
      throw new Error('no form');
    },
  }),
  'returns what can be waited for': () => ({then: resolve => resolve('waited')}),
  'returns what settles many times': () => ({
    then: (resolve, reject) => {
      resolve('first');
      reject('second');
      resolve('third');
      throw 4;
    },
  }),
  'returns a promise of another constructor': () => {
    const p = Promise.resolve('p');
    thrownBy(() => {
      p.constructor = {
        [Symbol.species]: () => {
          throw 1;
        },
      };
      p.then = () => {
        throw 2;
      };
    });
    return p;
  },
  'returns a subclass': () => {
    class Mine extends Promise {}
    return Mine.resolve('mine');
  },
  'returns a symbol': () => Symbol('x'),
  'returns a function': () => () => 1,
  'returns a bigint': () => 1n,
  'returns a circle': () => {
    const a = {};
    a.a = a;
    return a;
  },
  'returns bytes that lie': () => {
    class Liar extends Uint8Array {
      get length() {
        return 1e9;
      }
      get byteLength() {
        return 1e9;
      }
    }
    return Liar.of(104, 105);
  },
  'returns what will never be': () => new Promise(() => {}),
  'throws what shows itself': () => {
    throw {
      [Symbol.for('nodejs.util.inspect.custom')]() {
        throw 1;
      },
      get message() {
        throw 2;
      },
    };
  },
  'rejects what shows itself': () => {
    Promise.reject({
      [Symbol.for('nodejs.util.inspect.custom')]: (_d, _o, inspect) => {
        throw inspect('REACHED');
      },
      message: 'mine',
    });
    return 'done';
  },
  'ends the process': () => process.exit(0),
  'floods the output': () => 'x'.repeat(2 ** 22),
  'floods the output with bytes': () => new Uint8Array(2 ** 22),
  'floods the console': () => {
    for (let i = 0; i < 20_000; i++) console.log('x'.repeat(1_000));
    return 'said';
  },
  'floods its state': (_, {save}) => {
    for (let i = 0; i < 300; i++) save(new Uint8Array(2 ** 20 - 2), 0.5);
    return 'saved';
  },
  'has no end of the stack': () => {
    const f = () => f() + 1;
    return f();
  },
  'catches the end of the stack': () => {
    const f = n => {
      try {
        return f(n + 1);
      } catch {
        return n;
      }
    };
    return f(0);
  },
  'returns behind the end of the stack': () => {
    let depth = 0;
    const f = () => f(depth++) + 1;
    const g = () => {
      try {
        f();
      } finally {
        return depth;
      }
    };
    return g();
  },
  'takes the end of the stack apart': () => {
    const f = () => f() + 1;
    try {
      f();
    } catch ({name, message = (() => name)()}) {
      return name + message;
    }
  },
  'counts buffers': () => {
    const all = [];
    try {
      for (;;) all.push(new ArrayBuffer(2 ** 50));
    } catch (error) {
      var error = all.length;
      return error;
    }
  },
  'catches its own error': async () => {
    try {
      await Promise.reject(new RangeError('mine'));
    } catch ({message}) {
      return message;
    }
  },
  'returns a Map': () => new Map([[1, 2]]),
  'returns a Set': () => new Set([1]),
  'returns a buffer': () => new ArrayBuffer(8),
  'makes a string too long': () => 'x'.repeat(2 ** 30),
  'asks for an impossible buffer': () => new ArrayBuffer(2 ** 52),
  'fills the heap': () => {
    const all = [];
    for (;;) all.push(new Array(1e6).fill(all.length + 0.5));
  },
  'fills buffers': () => {
    const all = [];
    for (;;) all.push(new Uint8Array(2 ** 24).fill(1));
  },
  loops: () => {
    for (;;);
  },
  'loops in microtasks': () => {
    const again = () => Promise.resolve().then(again);
    return again();
  },
  'loops behind its result': () => {
    const again = () => {
      Promise.resolve().then(again);
    };
    again();
    return 'result';
  },
  'loops in its form': () => ({
    toJSON() {
      for (;;);
    },
  }),
  'goes on behind its form': () => ({
    toJSON() {
      const again = () => {
        Promise.resolve().then(again);
      };
      again();
      return 1;
    },
  }),
};

({
  run(input, context) {
    const name = input.text();
    if (name === 'names') return Object.keys(ends);
    return name === 'next' ? name : ends[name](input, context);
  },
});
