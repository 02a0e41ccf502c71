import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';
import { UsageError } from '../errors.ts';
import { type CertificateFiles, type LocalCertificate, loadCertificate } from '../local/certificate-files.ts';
import { describeError, type Logger } from '../log.ts';

/** How old may be what is known of the files, in milliseconds, when a client wants TLS. */
const CHECK_INTERVAL_MS = 2_000;

interface LocalTlsOptions {
  readonly checkIntervalMs?: number;
}

/** The certificate that clients see. Its files are read again when they change, as a new client comes. */
export class LocalTls {
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  readonly #checkIntervalMs: number;
  #current: LocalCertificate;
  /** What the files looked like before they were last read. */
  #seen: string;
  #checkedAt = performance.now();
  #checking: Promise<void> | undefined;

  private constructor(
    files: CertificateFiles,
    log: Logger,
    { checkIntervalMs = CHECK_INTERVAL_MS }: LocalTlsOptions,
    { seen, current }: { readonly seen: string; readonly current: LocalCertificate },
  ) {
    this.#files = files;
    this.#log = log;
    this.#checkIntervalMs = checkIntervalMs;
    this.#seen = seen;
    this.#current = current;
    this.#warn();
  }

  /** @throws {@link UsageError} with every problem of the files. */
  static async load(files: CertificateFiles, log: Logger, options: LocalTlsOptions = {}): Promise<LocalTls> {
    const seen = await looksOf(files);
    return new LocalTls(files, log, options, { seen, current: await loadCertificate(files) });
  }

  /**
   * What the next handshake is to be made with. A broken replacement leaves what was there.
   *
   * @throws the signal's reason, and nothing else.
   */
  async current(signal: AbortSignal): Promise<SecureContext> {
    signal.throwIfAborted();
    if (performance.now() - this.#checkedAt >= this.#checkIntervalMs) {
      // Shared by every waiting session, so no one session's signal may cancel it.
      this.#checking ??= this.#check().finally(() => {
        this.#checking = undefined;
      });
      const settled = new AbortController();
      await Promise.race([this.#checking, once(signal, 'abort', { signal: settled.signal })]);
      settled.abort();
      signal.throwIfAborted();
    }
    return this.#current.secureContext;
  }

  async #check(): Promise<void> {
    const seen = await looksOf(this.#files);
    this.#checkedAt = performance.now();
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      this.#current = await loadCertificate(this.#files);
    } catch (error) {
      const problems = error instanceof UsageError ? error.problems.join('; ') : describeError(error);
      this.#log.warn(
        { event: 'local-tls', error: problems },
        `the local TLS certificate or its key has changed and is of no use, so the old one stays: ${problems}`,
      );
      return;
    }
    const { validToDate } = this.#current.certificate;
    this.#log.info(
      { event: 'local-tls', validUntil: validToDate },
      `the local TLS certificate has changed; the new one is valid until ${validToDate.toISOString()}`,
    );
    this.#warn();
  }

  #warn(): void {
    const { warning } = this.#current;
    if (warning !== undefined) this.#log.warn({ event: 'local-tls', error: warning }, warning);
  }
}

/** What tells one state of the files from another. Symbolic links, as Kubernetes swaps them, are followed. */
async function looksOf({ certFile, keyFile }: CertificateFiles): Promise<string> {
  const looks = [certFile, keyFile].map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join();
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  });
  return (await Promise.all(looks)).join(' ');
}
