import { createHash, X509Certificate } from 'node:crypto';

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;

/** [0] of the parameters of RSASSA-PSS: the hash, SHA-1 if absent (RFC 8017, A.2.3). */
const PSS_HASH = 0xa0;

const RSASSA_PSS = '2a864886f70d01010a';

/** By object identifier (DER, in hex): the hash of a signature algorithm, SHA-256 in the place of MD5 and SHA-1. */
const HASHES: Readonly<Record<string, string>> = {
  // RSA, PKCS #1 v1.5: 1.2.840.113549.1.1.x
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a864886f70d01010e': 'sha224',
  // ECDSA: 1.2.840.10045.4.x
  '2a8648ce3d0401': 'sha256',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  // The hashes themselves, as RSASSA-PSS names them: 1.3.14.3.2.26 and 2.16.840.1.101.3.4.2.x
  '2b0e03021a': 'sha256',
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
  '608648016503040204': 'sha224',
};

/**
 * The channel binding data `tls-server-end-point` of a TLS server: the hash of its certificate, by the hash
 * function of the certificate's own signature, or SHA-256 where that is MD5 or SHA-1.
 *
 * @param certificate - the one that the server shows (not its CA's): DER or PEM.
 * @returns undefined for a signature without one such function (Ed25519): channel binding is then undefined.
 * @see https://www.rfc-editor.org/rfc/rfc5929#section-4
 */
export function tlsServerEndPoint(certificate: Buffer | string): Buffer | undefined {
  const { raw } = new X509Certificate(certificate);
  const hash = signatureHash(raw);
  return hash === undefined ? undefined : createHash(hash).update(raw).digest();
}

/** Certificate: SEQUENCE of what is signed, AlgorithmIdentifier, signature (RFC 5280, section 4.1). */
function signatureHash(der: Buffer): string | undefined {
  const [, algorithm] = elements(contentOf(der, SEQUENCE));
  const [oid, parameters] = elements(contentOf(algorithm, SEQUENCE));
  const name = contentOf(oid, OBJECT_IDENTIFIER).toString('hex');
  return name === RSASSA_PSS ? pssHash(parameters) : HASHES[name];
}

function pssHash(parameters: Buffer | undefined): string | undefined {
  const tagged = elements(contentOf(parameters, SEQUENCE)).find(([tag]) => tag === PSS_HASH);
  if (tagged === undefined) return 'sha256';
  const [oid] = elements(contentOf(elements(contentOf(tagged, PSS_HASH))[0], SEQUENCE));
  return HASHES[contentOf(oid, OBJECT_IDENTIFIER).toString('hex')];
}

/** DER elements that stand one behind the other: tag, length, content. OpenSSL has checked them all before. */
function elements(der: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let rest = der; rest.length > 0; ) {
    const { start, length } = headOf(rest);
    found.push(rest.subarray(0, start + length));
    rest = rest.subarray(start + length);
  }
  return found;
}

/** The content of an element, nothing if it is another than expected. */
function contentOf(element: Buffer | undefined, tag: number): Buffer {
  if (element?.[0] !== tag) return Buffer.alloc(0);
  return element.subarray(headOf(element).start);
}

/** Where the content of an element begins: its length stands in one byte, or in as many as that byte says. */
function headOf(element: Buffer): { start: number; length: number } {
  const first = element[1] ?? 0;
  if (first < 0x80) return { start: 2, length: first };
  const count = first & 0x7f;
  return { start: 2 + count, length: element.readUIntBE(2, count) };
}
