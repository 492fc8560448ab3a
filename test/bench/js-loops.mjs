// Loops whose speed is compared, inside and outside of a runner. Read as text, the script of a js app.

const loops = {
  'trial division': () => {
    let count = 0;
    for (let n = 2; n < 600_000; n++) {
      let isPrime = true;
      for (let d = 2; d * d <= n && isPrime; d++) isPrime = n % d !== 0;
      if (isPrime) count++;
    }
    return count;
  },
  Math: () => {
    let sum = 0;
    for (let i = 1; i < 3_000_000; i++)
      sum += Math.sin(i) * Math.sqrt(i) + Math.floor(i / 3) + Math.exp(-i / 1e6);
    return sum;
  },
  Float64Array: () => {
    const cells = new Float64Array(65_536);
    for (let round = 0; round < 400; round++)
      for (let i = 1; i < cells.length - 1; i++)
        cells[i] = (cells[i - 1] + cells[i + 1] + i) * 0.33;
    return cells[100];
  },
  Uint8Array: () => {
    const bytes = new Uint8Array(65_536);
    for (let round = 0; round < 800; round++)
      for (let i = 1; i < bytes.length; i++) bytes[i] = bytes[i - 1] * 31 + i + round;
    return bytes[100];
  },
  arrays: () => {
    let sum = 0;
    const numbers = Array.from({length: 1_000}, (_, i) => i);
    for (let round = 0; round < 4_000; round++)
      sum += numbers
        .map(x => x * 2)
        .filter(x => x & 2)
        .reduce((a, b) => a + b, 0);
    return sum;
  },
  objects: () => {
    const seen = new Map();
    let at = {x: 0, y: 0};
    for (let i = 0; i < 3_000_000; i++) {
      at = {x: at.x + 1, y: at.y + 2};
      seen.set(i & 1_023, at);
    }
    return at.x + seen.size;
  },
  null: () => 0,
};

({
  run(input) {
    const name = input.text();
    return name === 'names' ? Object.keys(loops) : loops[name]();
  },
});
