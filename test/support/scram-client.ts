import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

/** A client's side of SCRAM-SHA-256, written down anew here so that it does not share a mistake with the program's. */
export class ScramClient {
  readonly header: string;
  readonly bare: string;
  readonly #password: Buffer;
  #nonce: string;
  #authMessage = '';
  #salted = Buffer.alloc(0);

  /** @param header - the gs2-header. */
  constructor(password: string | Buffer, header = 'n,,', nonce = 'rOprNGfwEbeRWgbNEkqO', user = 'user') {
    this.header = header;
    this.bare = `n=${user},r=${nonce}`;
    this.#password = Buffer.from(password as string);
    this.#nonce = nonce;
  }

  get first(): Buffer {
    return Buffer.from(this.header + this.bare, 'latin1');
  }

  /** @param changes - what to say in the place of what would be right. */
  final(
    serverFirst: string,
    changes: { binding?: string; nonce?: string; proof?: string; boundTo?: Buffer } = {},
  ): Buffer {
    const { r = '', s = '', i = '' } = attributesOf(serverFirst);
    this.#nonce = changes.nonce ?? r;
    const bound = Buffer.concat([Buffer.from(this.header), changes.boundTo ?? Buffer.alloc(0)]);
    const withoutProof = `c=${changes.binding ?? bound.toString('base64')},r=${this.#nonce}`;
    this.#authMessage = `${this.bare},${serverFirst},${withoutProof}`;
    this.#salted = pbkdf2Sync(this.#password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256');
    const clientKey = hmac(this.#salted, 'Client Key');
    const signature = hmac(createHash('sha256').update(clientKey).digest(), this.#authMessage);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] as number)));
    return Buffer.from(`${withoutProof},p=${changes.proof ?? proof.toString('base64')}`, 'latin1');
  }

  /** What a server that has the verifier must say at the end. */
  get expectedServerFinal(): string {
    return `v=${hmac(hmac(this.#salted, 'Server Key'), this.#authMessage).toString('base64')}`;
  }
}

/** The attributes of a SCRAM message by their letters. */
export function attributesOf(message: string): Record<string, string> {
  return Object.fromEntries(message.split(',').map((pair) => [pair.slice(0, 1), pair.slice(2)]));
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data, 'latin1').digest();
}
