import type { ChildProcess, MessageOptions, SendHandle } from 'node:child_process';
import type { Socket } from 'node:net';
import { decodeFailure, encodeFailure, type Failure, processGone } from './failure.ts';

/** What can be called at one end of a channel: each call has one request. */
type Calls<T> = { readonly [K in keyof T]: (request: never) => unknown };

type Request<T extends Calls<T>, K extends keyof T> = Parameters<T[K]>[0];
type Answer<T extends Calls<T>, K extends keyof T> = Awaited<ReturnType<T[K]>>;

type Message =
  | { readonly kind: 'tell'; readonly name: string; readonly request: unknown }
  | { readonly kind: 'ask'; readonly name: string; readonly request: unknown; readonly number: number }
  | { readonly kind: 'answer'; readonly number: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly number: number; readonly failure: Failure };

type Send = (
  message: unknown,
  handle: SendHandle | undefined,
  options: MessageOptions,
  done: (error: Error | null) => void,
) => boolean;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One end of the pipe between the primary process and a worker, which no other process has. What is said in
 * one turn of the event loop arrives in one turn, in its order.
 */
export class Channel<Mine extends Calls<Mine>, Theirs extends Calls<Theirs>> {
  readonly #end: ChildProcess | NodeJS.Process;
  readonly #handlers: Mine;
  readonly #onSocket: ((request: unknown, socket: Socket | undefined) => void) | undefined;
  readonly #pending = new Map<number, Pending>();
  #lastNumber = 0;
  #waiting: Message[] = [];

  /** @param onSocket - gets what was passed with {@link pass}. */
  constructor(
    end: ChildProcess | NodeJS.Process,
    handlers: Mine,
    onSocket?: (request: unknown, socket: Socket | undefined) => void,
  ) {
    this.#end = end;
    this.#handlers = handlers;
    this.#onSocket = onSocket;
    const events: NodeJS.EventEmitter = end;
    events.on('message', (said: unknown, socket?: Socket) => this.#receive(said, socket));
    events.on('disconnect', () => this.lose());
  }

  get isOpen(): boolean {
    return this.#end.connected;
  }

  /** Says something that needs no answer. */
  tell<K extends keyof Theirs & string>(name: K, request: Request<Theirs, K>): void {
    this.#post({ kind: 'tell', name, request });
  }

  /**
   * Asks something.
   *
   * @throws what the other end throws, as far as it crosses; ProxyError 57P03 if the other end is gone; the
   *   signal's reason.
   */
  ask<K extends keyof Theirs & string>(
    name: K,
    request: Request<Theirs, K>,
    signal?: AbortSignal,
  ): Promise<Answer<Theirs, K>> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(processGone());
      if (signal?.aborted === true) return reject(signal.reason as Error);
      this.#lastNumber += 1;
      const number = this.#lastNumber;
      const onAbort = (): void => settle(() => reject(signal?.reason as Error));
      const settle = (then: () => void): void => {
        this.#pending.delete(number);
        signal?.removeEventListener('abort', onAbort);
        then();
      };
      signal?.addEventListener('abort', onAbort);
      this.#pending.set(number, {
        resolve: (value) => settle(() => resolve(value as Answer<Theirs, K>)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#post({ kind: 'ask', name, request, number });
    });
  }

  /** Passes a socket on, with what is to be known of it. It stays open here too: it may never arrive. */
  pass(request: unknown, socket: Socket): void {
    this.#flush();
    this.#send({ request }, socket);
  }

  /** The other end is gone: who waits for an answer is told so. */
  lose(): void {
    for (const { reject } of this.#pending.values()) reject(processGone());
  }

  #post(message: Message): void {
    if (!this.isOpen) return;
    if (this.#waiting.length === 0) process.nextTick(() => this.#flush());
    this.#waiting.push(message);
  }

  #flush(): void {
    const messages = this.#waiting;
    this.#waiting = [];
    if (messages.length > 0) this.#send(messages);
  }

  #send(message: unknown, socket?: Socket): void {
    const send = this.#end.send?.bind(this.#end) as Send;
    // Should it fail, the other end is gone, which is told as such.
    send(message, socket, { keepOpen: true }, () => {});
  }

  #receive(said: unknown, socket: Socket | undefined): void {
    if (Array.isArray(said)) for (const message of said) this.#hear(message as Message);
    else this.#onSocket?.((said as { request: unknown }).request, socket);
  }

  #hear(message: Message): void {
    switch (message.kind) {
      case 'tell':
        return void this.#call(message.name, message.request);
      case 'ask':
        return void this.#answer(message.number, message.name, message.request);
      case 'answer':
        return this.#pending.get(message.number)?.resolve(message.value);
      case 'failure':
        return this.#pending.get(message.number)?.reject(decodeFailure(message.failure));
    }
  }

  #call(name: string, request: unknown): unknown {
    const handlers = this.#handlers as unknown as Readonly<Record<string, (request: unknown) => unknown>>;
    return handlers[name]?.(request);
  }

  async #answer(number: number, name: string, request: unknown): Promise<void> {
    try {
      this.#post({ kind: 'answer', number, value: await this.#call(name, request) });
    } catch (error) {
      this.#post({ kind: 'failure', number, failure: encodeFailure(error) });
    }
  }
}
