// JSON Schema of what the operator interface takes: fastify holds requests to it, GET /v1 shows it.
// Only shape and range; whether a policy makes sense is the core's to say (VOLLEY_BAD_POLICY).

import {ACCESS_NAME, ROLES} from '../core/access.ts';
import {NUMBER_FORMATS} from '../core/compare.ts';
import {NEEDS_PATTERN} from '../core/needed-nodes.ts';
import {HOMOGENEITIES, POLICY_RANGES, type PolicyNumber, REDUNDANCIES} from '../core/policy.ts';
import {HALO_MAX, ROUNDS_MAX} from '../core/stages.ts';
import {
  ARGS_BYTES_MAX,
  ARGS_MAX,
  CAPTURE_TIME_MS_MAX,
  CLOCK_BOUND_MS_MAX,
  LABELS_MAX,
  NAME_BYTES_MAX,
  OUTPUT_LIMIT_BYTES_MAX,
  REASON_BYTES_MAX,
  SHOTS_PER_CAPTURE_MAX,
  WORKUNITS_PER_BATCH_MAX,
} from '../wire/limits.ts';
import {LINE_FORMS} from './context.ts';
import {FOLLOW_ORDERS} from './follow.ts';

type Schema = Readonly<Record<string, unknown>>;

const whole = (minimum: number, maximum: number): Schema => ({type: 'integer', minimum, maximum});
const SAFE = Number.MAX_SAFE_INTEGER;
const UINT32 = 2 ** 32 - 1;

/** An object with exactly these fields; those not named in `optional` must be there. */
const object = (properties: Readonly<Record<string, Schema>>, ...optional: string[]): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required: Object.keys(properties).filter(name => !optional.includes(name)),
});

const NAME: Schema = {type: 'string', minLength: 1, maxLength: NAME_BYTES_MAX};
const hex = (digits: number): Schema => ({
  type: 'string',
  pattern: `^[0-9a-f]{${digits}}$`,
  description: `${digits} hex digits`,
});
const BLOB_ID = hex(64);
const ARGS: Schema = {
  type: 'array',
  maxItems: ARGS_MAX,
  items: {type: 'string', maxLength: ARGS_BYTES_MAX},
  default: [],
};
/** Numbers in paths and queries are text. */
const digits = (most: number): Schema => ({
  type: 'string',
  pattern: `^[0-9]{1,${most}}$`,
  description: `a whole number of at most ${most} digits`,
});
const DIGITS = digits(15);
const ID = digits(10);

const COMPARE: Schema = {
  type: 'object',
  required: ['kind'],
  discriminator: {propertyName: 'kind'},
  oneOf: [
    object({kind: {const: 'exact'}}),
    object(
      {
        kind: {const: 'numeric'},
        format: {type: 'string', enum: [...NUMBER_FORMATS]},
        rtol: {type: 'number', minimum: 0, exclusiveMaximum: 1},
        atol: {type: 'number', minimum: 0},
      },
      'format',
      'rtol',
      'atol',
    ),
    object({kind: {const: 'custom'}, app: NAME}),
  ],
};

const POLICY_NUMBERS = Object.fromEntries(
  Object.entries(POLICY_RANGES).map(([name, {least, most, whole: isWhole}]): [string, Schema] => [
    name,
    isWhole ? whole(least, most) : {type: 'number', minimum: least, maximum: most},
  ]),
) as Readonly<Record<PolicyNumber, Schema>>;
const POLICY = {
  ...POLICY_NUMBERS,
  compare: COMPARE,
  firstWins: {type: 'boolean'},
  broadcast: {type: 'boolean'},
  redundancy: {enum: [...REDUNDANCIES]},
  homogeneous: {enum: [...HOMOGENEITIES]},
};

const INDEXED = {
  blobId: BLOB_ID,
  indexBlobId: BLOB_ID,
  count: whole(1, WORKUNITS_PER_BATCH_MAX),
};

const INPUT: Schema = {
  type: 'object',
  required: ['kind'],
  discriminator: {propertyName: 'kind'},
  oneOf: [
    object({
      kind: {const: 'range'},
      start: whole(0, SAFE),
      end: whole(0, SAFE),
      chunk: whole(1, SAFE),
    }),
    object({kind: {const: 'lines'}, ...INDEXED}),
    object({kind: {const: 'files'}, ...INDEXED}),
  ],
};

const BATCH_TARGET = object(
  {
    labels: {type: 'array', maxItems: LABELS_MAX, items: NAME},
    nodes: {type: 'array', maxItems: 1_024, items: hex(32)},
    archs: {type: 'array', maxItems: LABELS_MAX, items: NAME},
    memoryMib: whole(1, UINT32),
    cores: whole(1, UINT32),
  },
  'labels',
  'nodes',
  'archs',
  'memoryMib',
  'cores',
);

const STAGES = object(
  {
    reduce: NAME,
    reduceArgs: {
      type: 'array',
      maxItems: ARGS_MAX,
      items: {type: 'string', maxLength: ARGS_BYTES_MAX},
    },
    rounds: whole(1, ROUNDS_MAX),
    untilStable: {type: 'boolean'},
    halo: whole(0, HALO_MAX),
  },
  'reduce',
  'reduceArgs',
  'rounds',
  'untilStable',
  'halo',
);

export const BATCH_BODY = object(
  {
    name: {...NAME, minLength: 0, default: ''},
    app: NAME,
    args: ARGS,
    input: INPUT,
    policy: {...object(POLICY, ...Object.keys(POLICY)), default: {}},
    clonedFrom: whole(1, UINT32),
    target: BATCH_TARGET,
    strict: {type: 'boolean'},
    stages: STAGES,
    shared: object({blobId: BLOB_ID, size: whole(0, OUTPUT_LIMIT_BYTES_MAX)}),
  },
  'name',
  'args',
  'policy',
  'clonedFrom',
  'target',
  'strict',
  'stages',
  'shared',
);

/** Why somebody does something, for whoever looks later. */
export const REASON_BODY = object(
  {reason: {type: 'string', maxLength: REASON_BYTES_MAX, default: ''}},
  'reason',
);
/** How many, and how long together, is the core's to say. */
export const LABEL_BODY = object(
  {
    add: {type: 'array', maxItems: LABELS_MAX, items: NAME, default: []},
    remove: {type: 'array', maxItems: LABELS_MAX, items: NAME, default: []},
  },
  'add',
  'remove',
);
export const PRIORITY_BODY = object({priority: POLICY_NUMBERS.priority});
export const FORCE_BODY = object({force: {type: 'boolean', default: false}}, 'force');

const TARGET = object(
  {
    labels: {type: 'array', maxItems: LABELS_MAX, items: NAME, default: []},
    nodes: {
      type: 'array',
      maxItems: 1_024,
      items: hex(32),
      default: [],
    },
  },
  'labels',
  'nodes',
);

export const ACTION_PARAMS = object({name: NAME});
/** Which settings there are is the action's to say; how long they may be, the core's. */
export const SETTINGS_BODY = object(
  {
    settings: {type: 'object', maxProperties: 32, additionalProperties: {type: 'string'}},
    target: {...TARGET, default: {}},
  },
  'target',
);

/** In a row; each is a shot. */
const STEP = object(
  {
    atMs: {type: 'number', minimum: 0, maximum: CAPTURE_TIME_MS_MAX, default: 0},
    action: NAME,
    args: ARGS,
    target: TARGET,
  },
  'atMs',
  'args',
  'target',
);

export const CAPTURE_BODY = object(
  {
    preview: {type: 'boolean'},
    /** Absent where there are steps. */
    action: {...NAME, minLength: 0, default: ''},
    args: ARGS,
    target: {...TARGET, default: {}},
    steps: {type: 'array', minItems: 1, maxItems: 32, items: STEP},
    leadMs: {type: 'number', minimum: 0, maximum: CAPTURE_TIME_MS_MAX},
    shots: {...whole(1, SHOTS_PER_CAPTURE_MAX), default: 1},
    intervalMs: {type: 'number', minimum: 0, maximum: 3_600_000, default: 0},
    burst: whole(1, SHOTS_PER_CAPTURE_MAX),
    burstMs: {type: 'number', minimum: 0, maximum: CAPTURE_TIME_MS_MAX},
    needs: {type: 'string', pattern: NEEDS_PATTERN},
    sweepMs: {type: 'number', minimum: 0, maximum: CAPTURE_TIME_MS_MAX},
    toleranceMs: {type: 'number', exclusiveMinimum: 0, maximum: CLOCK_BOUND_MS_MAX},
    dryRun: {type: 'boolean'},
  },
  'action',
  'steps',
  'leadMs',
  'burst',
  'burstMs',
  'needs',
  'sweepMs',
  'toleranceMs',
  'dryRun',
  'preview',
  'args',
  'target',
  'shots',
  'intervalMs',
);

export const TRANSFER_BODY = object(
  {
    blob: BLOB_ID,
    fileName: {type: 'string', minLength: 1, maxLength: NAME_BYTES_MAX},
    target: {...TARGET, default: {}},
    rate: {type: 'number', minimum: 0},
  },
  'target',
  'rate',
);

export const APP_PARAMS = object({name: NAME});
export const APP_BODY = object({appId: BLOB_ID});
/** At most a year; a token that lives longer is a key. */
export const TOKEN_BODY = object({
  uses: whole(1, 100_000),
  hours: {type: 'number', exclusiveMinimum: 0, maximum: 8_784},
});
const NODE_ID = hex(32);
/** No fingerprint = all that ask. */
export const APPROVE_BODY = object({fingerprint: NODE_ID}, 'fingerprint');
export const DENY_BODY = object({fingerprint: NODE_ID});
/** Which keys there are and what each takes is the core's to say: it names the nearest one. */
export const PREFERENCES_BODY = {type: 'object', maxProperties: 64};
export const NODE_PARAMS = object({id: NODE_ID});
export const ACCESS_BODY = object({
  role: {type: 'string', enum: [...ROLES]},
  name: {
    type: 'string',
    pattern: ACCESS_NAME.source,
    description: 'up to 32 letters, digits, ".", "-" and "_"',
  },
});
export const ACCESS_PARAMS = object({name: {type: 'string', maxLength: 32}});
export const FILES_BODY = object({
  files: {
    type: 'array',
    minItems: 1,
    items: object({
      name: {type: 'string', minLength: 1, maxLength: 255},
      blob: BLOB_ID,
      size: whole(0, SAFE),
    }),
  },
});

export const NUMBER_PARAMS = object({id: ID});
export const BLOB_PARAMS = object({id: BLOB_ID});
export const SIZE_QUERY = object({size: DIGITS});
export const NO_QUERY = object({});
export const RESULTS_QUERY = object(
  {
    from: ID,
    to: ID,
    state: {type: 'string', enum: ['done', 'failed']},
    follow: {type: 'string', enum: [...FOLLOW_ORDERS]},
  },
  'from',
  'to',
  'state',
  'follow',
);
export const LINES_QUERY = object({form: {type: 'string', enum: [...LINE_FORMS]}}, 'form');
export const EVENTS_QUERY = object(
  {batch: ID, capture: ID, transfer: ID},
  'batch',
  'capture',
  'transfer',
);

/** The value of an ID or DIGITS field; `fallback` when it is not given. Capped to a uint32. */
export const uint32 = (text: string | undefined, fallback: number): number =>
  text === undefined ? fallback : Math.min(Number(text), UINT32);
