// Who may use the operator interface. A token has a role; each role may what those before it may, and more:
//
//   read      looks: lists, results, events, bytes of blobs
//   operate   works: submits and cancels batches, fires captures, uploads inputs
//   admin     decides who and what belongs to the cluster: nodes, apps, tokens
//
// The owner's token lies in the master's folder and is admin. Of others only the hash is kept: what is read
// from a backup opens nothing.

export const ROLES = ['read', 'operate', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Whether who has the role `own` may do what takes `wanted`. */
export const includesRole = (own: Role, wanted: Role): boolean =>
  ROLES.indexOf(own) >= ROLES.indexOf(wanted);

/** What whoever holds operator.token is called; nobody else may be. */
export const OWNER = 'owner';
export const ACCESS_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
/** Each request is held against all of them. */
export const ACCESS_MAX = 64;

export type AccessRow = {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, 64 hex characters. */
  readonly tokenHash: string;
  /** Wall-clock milliseconds. */
  readonly createdAt: number;
};

/** What faces show of it. */
export type AccessView = Omit<AccessRow, 'tokenHash'>;

/** A stored row, or undefined when it is none. */
export function asAccessRow(value: unknown): AccessRow | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const {name, role, tokenHash, createdAt} = value as Partial<Record<keyof AccessRow, unknown>>;
  const known = ROLES.find(each => each === role);
  if (typeof name !== 'string' || !ACCESS_NAME.test(name) || name === OWNER) return undefined;
  if (known === undefined || typeof createdAt !== 'number') return undefined;
  if (typeof tokenHash !== 'string' || !/^[0-9a-f]{64}$/.test(tokenHash)) return undefined;
  return {name, role: known, tokenHash, createdAt};
}
