// What an enrolled node may do wrong on purpose, beside what its runner computes; byzantine.ts does it.

export type Misdeed =
  /** Honest for some results, then other wrong bytes each time. */
  | 'sleeper'
  /** Honest for some results, then the wrong bytes that all its friends return. */
  | 'plotter'
  /** Different signed results for one lease: other bytes under one nonce, and again under others. */
  | 'equivocating'
  /** Says again what it said before, in earlier lives and epochs too. */
  | 'replaying'
  /** Outputs above every limit, blobs that it never uploads, sizes that are not true. */
  | 'hugeOutput'
  /** Asks for far more than it has slots for, renews what it does not hold, never brings a result. */
  | 'greedy'
  /** Signatures over other bytes, others' statements, workunits it was never given, made-up proofs. */
  | 'badSigner'
  /** False figures of itself and of its runs. */
  | 'liar'
  /** Two machines with its keys. */
  | 'clonedKey'
  /** Acknowledges no command and states no shot. */
  | 'quiet'
  /** Says everything long after it was asked for. */
  | 'lateComer'
  /** Forges commands with the group key that it was given, and claims to have seen later epochs. */
  | 'insider';

/** Nodes that return what nobody computed: never as many as a quorum together. */
export const LIARS: readonly Misdeed[] = ['sleeper', 'plotter', 'equivocating', 'hugeOutput'];

export const MISDEEDS: readonly Misdeed[] = [
  ...LIARS,
  'replaying',
  'greedy',
  'badSigner',
  'liar',
  'clonedKey',
  'quiet',
  'lateComer',
];
