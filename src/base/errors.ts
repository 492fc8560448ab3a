// Errors that people meet. `code` is stable and part of the interface; the message is for people and
// says what to do; `cause` keeps the origin. Expected outcomes (a bad packet, a late result) are unions
// in their own modules, never exceptions. src/README.md lists every code; test/house.test.ts holds the
// two equal.

/** Process exit codes, as `volley --help` documents them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  stopped: 75,
  interrupted: 130,
  terminated: 143,
} as const;

type Row = {readonly text: string; readonly exit: number; readonly http: number};

/** One row for each code: the message with {fields}, the exit code of the CLI, the status over HTTP. */
export const ERRORS = {
  VOLLEY_USAGE: {text: '{reason}', exit: 2, http: 400},
  VOLLEY_UNKNOWN_BATCH: {
    text: 'there is no batch {batch}; `volley batch ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_APP: {
    text: 'there is no app "{app}"; `volley app ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_NODE: {
    text: 'there is no node "{node}"; `volley nodes` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_TOKEN: {
    text: 'there is no join token {token}; `volley nodes token ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_NOT_PENDING: {
    text: 'no node with the fingerprint {fingerprint} asks to be let in; `volley nodes pending` lists those that do',
    exit: 2,
    http: 404,
  },
  VOLLEY_REFUSED: {text: 'the master refuses this node: {reason}', exit: 2, http: 403},
  VOLLEY_UNKNOWN_CAPTURE: {
    text: 'there is no capture {capture}; `volley capture ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_TRANSFER: {
    text: 'there is no transfer {transfer}; `volley push ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_BLOB: {
    text: 'there is no blob {blob} here; it must be uploaded first',
    exit: 2,
    http: 404,
  },
  VOLLEY_UNKNOWN_ACCESS: {
    text: 'there is no token named "{name}"; `volley access ls` lists them',
    exit: 2,
    http: 404,
  },
  VOLLEY_NO_NODES: {text: 'no node matches: {reason}', exit: 2, http: 409},
  VOLLEY_BAD_INPUT: {text: 'input refused: {reason}', exit: 2, http: 400},
  VOLLEY_INPUT_MISSING: {text: 'cannot read {path}: {reason}', exit: 2, http: 400},
  VOLLEY_BAD_APP: {text: 'app refused: {reason}', exit: 2, http: 400},
  VOLLEY_BAD_POLICY: {text: 'policy refused: {reason}', exit: 2, http: 400},
  VOLLEY_BAD_TOKEN: {text: 'join token refused: {reason}', exit: 2, http: 400},
  VOLLEY_BAD_CONFIG: {text: '{path}: {reason}', exit: 2, http: 400},
  VOLLEY_TOO_LARGE: {
    text: '{what} is {size} bytes; at most {limit} are allowed',
    exit: 2,
    http: 413,
  },
  VOLLEY_TOO_FEW_NODES: {
    text: 'the batch {reason}; without --strict it would wait for them',
    exit: 2,
    http: 409,
  },
  VOLLEY_BATCH_ENDED: {
    text: 'batch {batch} has already ended ({state}); `volley batch results {batch}` shows what it has',
    exit: 2,
    http: 409,
  },
  VOLLEY_UNAUTHORIZED: {
    text: 'the master refuses this operator token; run the command on the master, or give --data or VOLLEY_TOKEN',
    exit: 2,
    http: 401,
  },
  VOLLEY_FORBIDDEN: {
    text: 'the token "{name}" may only {role}, and this takes {wanted}; ask the owner for `volley access add {wanted} --name NAME`',
    exit: 2,
    http: 403,
  },
  VOLLEY_WRONG_TOKENS: {
    text: 'too many wrong tokens came from {source}: wait {seconds} s, or use the right one (--data or VOLLEY_TOKEN)',
    exit: 2,
    http: 429,
  },
  VOLLEY_BUSY: {
    text: 'the master has {limit} {what} and takes no more; end one, or try again later',
    exit: 1,
    http: 503,
  },
  VOLLEY_NOT_INITIALIZED: {
    text: 'there is no cluster in {path}; run `volley init` first',
    exit: 2,
    http: 500,
  },
  VOLLEY_ALREADY_INITIALIZED: {
    text: '{path} already holds a cluster; choose another folder with --data',
    exit: 2,
    http: 409,
  },
  VOLLEY_KEY_EXPOSED: {
    text: '{path} can be read by others (mode {mode}); run `chmod {wanted} {path}`',
    exit: 2,
    http: 500,
  },
  VOLLEY_KEY_DAMAGED: {text: '{path} is not a valid key file: {reason}', exit: 2, http: 500},
  VOLLEY_TRUST_OLD: {
    text: 'the trust document here is version {version}, but version {seen} has been seen: this folder is an old backup. bring back the newest `master.keys` and `trust*` files, or, with the vault, run `volley keys rotate master --after {seen}`',
    exit: 2,
    http: 500,
  },
  VOLLEY_WRONG_PASSPHRASE: {text: 'the passphrase does not open {path}', exit: 2, http: 400},
  VOLLEY_PORT_IN_USE: {
    text: 'port {port} on {host} is in use by another program; end it or choose another with {flag}',
    exit: 1,
    http: 500,
  },
  VOLLEY_CANNOT_WRITE: {text: 'cannot write {path}: {reason}', exit: 1, http: 500},
  VOLLEY_NO_PERMISSION: {text: 'no permission for {what}: {reason}', exit: 1, http: 500},
  VOLLEY_NO_INTERFACE: {
    text: 'there is no network interface "{name}"; there are: {known}',
    exit: 2,
    http: 500,
  },
  VOLLEY_STORE_LOCKED: {
    text: 'the store in {path} is in use by another process; end it or choose another folder with --data',
    exit: 1,
    http: 500,
  },
  VOLLEY_STORE_DAMAGED: {text: 'the store is damaged: {reason}', exit: 75, http: 500},
  VOLLEY_STORE_FAILED: {text: 'the store failed: {reason}', exit: 75, http: 500},
  VOLLEY_NO_SPACE: {
    text: '{path} has {free} bytes free, and {floor} are wanted: {what}; free some space, it goes on by itself',
    exit: 1,
    http: 507,
  },
  VOLLEY_MASTER_UNREACHABLE: {
    text: 'no master answers at {url}: {reason}; is `volley master` running there?',
    exit: 1,
    http: 502,
  },
  VOLLEY_NODE_UNREACHABLE: {
    text: 'no node answers in {path}: {reason}; --data names another folder',
    exit: 1,
    http: 502,
  },
  VOLLEY_NOT_ENROLLED: {
    text: 'this node has not joined a cluster yet; run `volley node --join TOKEN`, or `volley node --root FINGERPRINT` and approve it on the master',
    exit: 2,
    http: 500,
  },
  VOLLEY_BATCH_FAILED: {text: 'batch {batch} ended {state}: {reason}', exit: 1, http: 500},
  VOLLEY_TIMEOUT: {text: '{what} took longer than {limit}', exit: 1, http: 504},
  VOLLEY_INTERNAL: {text: 'a bug in Volley: {reason}', exit: 1, http: 500},
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorFields = Readonly<Record<string, string | number>>;

export class VolleyError extends Error {
  override readonly name = 'VolleyError';
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    super(
      ERRORS[code].text.replace(/\{(\w+)\}/g, (_, name: string) => String(fields[name] ?? '?')),
      cause === undefined ? undefined : {cause},
    );
    this.code = code;
    this.fields = fields;
  }

  get exitCode(): number {
    return ERRORS[this.code].exit;
  }

  get httpStatus(): number {
    return ERRORS[this.code].http;
  }
}
