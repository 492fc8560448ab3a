// Every error of the operator interface as {error: {code, message, fields}} with its status. Also the way
// back: http/client.ts makes the same VolleyError of it.

import type {FastifyError} from 'fastify';
import {VolleyError} from '../base/errors.ts';
import {nearest} from '../base/nearest.ts';

/** A VolleyError whose status is not the one of its code: a path, method or media type, not a value. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly error: VolleyError;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, error: VolleyError, headers: Readonly<Record<string, string>> = {}) {
    super(error.message, {cause: error});
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

export type ProblemJson = {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly fields: Readonly<Record<string, string | number>>;
  };
};

export const problemJson = ({code, message, fields}: VolleyError): ProblemJson => ({
  error: {code, message, fields},
});

export const usage = (reason: string, fields: Record<string, string> = {}): VolleyError =>
  new VolleyError('VOLLEY_USAGE', {reason, ...fields});

type Fault = NonNullable<FastifyError['validation']>[number] & {
  /** Given because the validator is set to `verbose`. */
  readonly parentSchema?: {
    readonly description?: string;
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly oneOf?: readonly {readonly properties: Record<string, {readonly const?: string}>}[];
  };
};

const FIELD = /^[\w.]{1,64}$/;
const FIELD_MAX = 64;
const WHERE: Readonly<Record<string, string>> = {
  params: 'in the path: ',
  querystring: 'in the query: ',
};

/** What is wrong with which field, in words: `policy.minQuorum must be at least 1`. */
export function usageOf(fault: Fault, part = 'body'): VolleyError {
  const path = fault.instancePath.slice(1).replaceAll('/', '.');
  const field = [path, memberOf(fault)].filter(name => name !== '').join('.');
  const isShown = FIELD.test(field);
  const shown = isShown ? field : field === '' ? `the ${part}` : 'a field';
  const reason = `${WHERE[part] ?? ''}${shown} ${problemOf(fault)}`;
  return usage(reason, {field: isShown ? field : part});
}

/** The member of an object that is at fault, when the fault is of the object. */
function memberOf({keyword, params}: Fault): string {
  switch (keyword) {
    case 'required':
      return String(params['missingProperty']);
    case 'additionalProperties':
      return String(params['additionalProperty']);
    case 'discriminator':
      return String(params['tag']);
    default:
      return '';
  }
}

function problemOf({keyword, params, parentSchema, message}: Fault): string {
  const limit = String(params['limit']);
  switch (keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return `is not a known field; ${adviceFor(String(params['additionalProperty']), parentSchema)}`;
    case 'type':
      return `must be ${TYPES[String(params['type'])] ?? String(params['type'])}`;
    case 'enum':
      return `must be ${listOf(params['allowedValues'] as readonly unknown[])}`;
    case 'discriminator': {
      const tag = String(params['tag']);
      return `must be ${listOf(parentSchema?.oneOf?.map(each => each.properties[tag]?.const) ?? [])}`;
    }
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'exclusiveMinimum':
      return `must be more than ${limit}`;
    case 'exclusiveMaximum':
      return `must be less than ${limit}`;
    case 'minLength':
    case 'minItems':
      return limit === '1' ? 'is empty' : `must have at least ${limit}`;
    case 'maxLength':
      return `is longer than ${limit} characters`;
    case 'maxItems':
      return `has more than ${limit} entries`;
    case 'pattern':
      return `must be ${parentSchema?.description ?? message}`;
    default:
      return message ?? 'is not valid';
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
};

function adviceFor(name: string, schema: Fault['parentSchema']): string {
  const known = Object.keys(schema?.properties ?? {});
  const near = name.length <= FIELD_MAX ? nearest(name, known) : undefined;
  if (near !== undefined) return `did you mean "${near}"?`;
  return known.length === 0 ? 'leave it out' : `known are ${known.join(', ')}`;
}

/** `a`, `a or b`, `a, b or c` */
function listOf(values: readonly unknown[]): string {
  const [last, ...rest] = values.map(String).reverse();
  return rest.length === 0 ? String(last) : `${rest.reverse().join(', ')} or ${last}`;
}

/** The refusal that any error thrown by a route, a hook or fastify itself becomes. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof VolleyError) return new Refusal(error.httpStatus, error);
  const known = error as Partial<FastifyError>;
  const fault = known.validation?.[0];
  if (fault !== undefined) return new Refusal(400, usageOf(fault, known.validationContext));
  const status = known.statusCode ?? 500;
  if (status === 415)
    return new Refusal(status, usage('send the body as GET /v1 says, with that `content-type`'));
  if (known.code !== undefined && known.code in JSON_FAULTS)
    return new Refusal(status, usage(`${JSON_FAULTS[known.code]}; GET /v1 says what to send`));
  if (status >= 400 && status < 500)
    return new Refusal(status, usage(known.message ?? 'bad request'));
  const reason = error instanceof Error ? error.message : String(error);
  return new Refusal(500, new VolleyError('VOLLEY_INTERNAL', {reason}, error));
}

const JSON_FAULTS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'the body is empty',
};
