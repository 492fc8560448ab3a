// Every error of the operator interface as {error: {code, message, fields}} with its status. Also the way
// back: http/client.ts makes the same VolleyError of it.

import type {FastifyError} from 'fastify';
import {VolleyError} from '../base/errors.ts';

/** A VolleyError whose status is not the one of its code: a path, method or media type, not a value. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly error: VolleyError;

  constructor(status: number, error: VolleyError) {
    super(error.message, {cause: error});
    this.status = status;
    this.error = error;
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

type Fault = NonNullable<FastifyError['validation']>[number];

const FIELD = /^[\w.]{1,64}$/;

/** What is wrong with which field, in words: `policy.minQuorum must be >= 1`. */
export function usageOf(fault: Fault, part = 'body'): VolleyError {
  const path = fault.instancePath.slice(1).replaceAll('/', '.');
  const named = (name: unknown): string => (path === '' ? String(name) : `${path}.${name}`);
  const of = (field: string, problem: string): VolleyError => {
    const short = FIELD.test(field) ? field : part;
    return usage(`${part}: ${short} ${problem}`, {field: short});
  };
  switch (fault.keyword) {
    case 'required':
      return of(named(fault.params['missingProperty']), 'is missing');
    case 'additionalProperties':
      return of(named(fault.params['additionalProperty']), 'is not a known field');
    case 'enum':
      return of(path, `must be one of ${(fault.params['allowedValues'] as unknown[]).join(', ')}`);
    case 'discriminator':
      return of(named(fault.params['tag']), 'has an unknown value or is missing');
    default:
      return of(path, fault.message ?? 'is not valid');
  }
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
    return new Refusal(status, usage('the content type is not the one of this route'));
  if (status >= 400 && status < 500)
    return new Refusal(status, usage(known.message ?? 'bad request'));
  const reason = error instanceof Error ? error.message : String(error);
  return new Refusal(500, new VolleyError('VOLLEY_INTERNAL', {reason}, error));
}
