// TextEncoder and TextDecoder of js apps: UTF-8 and nothing else, since what other encodings are there differs between
// builds of Node. They stand in front of the engine's own, whose instances carry handles of the host.

import {bytesOf} from './js-values.ts';

const encoder = new TextEncoder();
const NAMES = ['utf-8', 'utf8', 'unicode-1-1-utf-8'];

export class Utf8Encoder {
  get encoding(): string {
    return 'utf-8';
  }

  encode(text: unknown = ''): Uint8Array {
    return new Uint8Array(encoder.encode(`${text}`));
  }

  encodeInto(text: unknown, target: unknown): {read: number; written: number} {
    const bytes = bytesOf(target);
    if (bytes === undefined) throw new TypeError('encodeInto() writes into a Uint8Array');
    const {read, written} = encoder.encodeInto(`${text}`, bytes);
    return {read, written};
  }
}

type DecoderOptions = {readonly fatal?: unknown; readonly ignoreBOM?: unknown};

export class Utf8Decoder {
  readonly #decoder: InstanceType<typeof TextDecoder>;
  readonly #fatal: boolean;
  readonly #ignoreBOM: boolean;

  constructor(label: unknown = 'utf-8', options: DecoderOptions = {}) {
    const name = `${label}`.trim().toLowerCase();
    if (!NAMES.includes(name)) throw new RangeError('TextDecoder decodes utf-8 only');
    const {fatal, ignoreBOM} = options;
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
    this.#decoder = new TextDecoder('utf-8', {fatal: this.#fatal, ignoreBOM: this.#ignoreBOM});
  }

  get encoding(): string {
    return 'utf-8';
  }

  get fatal(): boolean {
    return this.#fatal;
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBOM;
  }

  decode(input?: unknown, options: {readonly stream?: unknown} = {}): string {
    const bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (bytes === undefined) throw new TypeError('decode() takes an ArrayBuffer or a view of one');
    const stream = Boolean(options.stream);
    try {
      return this.#decoder.decode(bytes, {stream});
    } catch {
      throw new TypeError('these bytes are not UTF-8');
    }
  }
}

Object.defineProperty(Utf8Encoder, 'name', {value: 'TextEncoder'});
Object.defineProperty(Utf8Decoder, 'name', {value: 'TextDecoder'});
