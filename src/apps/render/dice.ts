// Dice of the path tracer: PCG-XSH-RR 64/32 (O'Neill, 2014), seeded by the place of a pixel.

let dice: u64 = 0;

export function roll(): f64 {
  const old = dice;
  dice = old * 6364136223846793005 + 1442695040888963407;
  const mixed = <u32>(((old >> 18) ^ old) >> 27);
  return <f64>rotr<u32>(mixed, <u32>(old >> 59)) * (1.0 / 4294967296.0);
}

export function seedDice(seed: u64, pixel: u64): void {
  dice = (pixel * 0x9e3779b97f4a7c15) ^ (seed * 0xd1342543de82ef95);
  dice ^= dice >> 31;
  dice *= 0xbf58476d1ce4e5b9;
  dice ^= dice >> 29;
  roll();
}
