import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createSocketInput } from '../../src/contract/socket-input.ts';
import type { SocketInput } from '../../src/contract/socket-input.ts';
import { tokenCapsule } from '../../src/contract/stream-capsules.ts';
import { connectVerified } from '../control/verified-connection.ts';
import type { Credentials } from '../state/credentials.ts';
import { readAnswerHead } from './answer-head.ts';
import type { AnswerHead } from './answer-head.ts';
import type { HostPort } from './host-port.ts';
import { joinLine } from './join-line.ts';
import { statusPath } from './probe.ts';

export interface LineAnswer extends Pick<AnswerHead, 'status' | 'fields'> {
  readonly body: Buffer;
}

/**
 * A connection of its own to the gateway for one tunnel that carries much. On a stream of HTTP/2 a byte costs both ends two
 * to three times as much, and all other flows of the session queue behind it.
 */
export interface BulkLine {
  /**
   * Asks for the tunnel, once; it is open where the answer is a 101. @throws where the line is of no use any more: nothing of
   * a client's was sent then.
   */
  ask(target: HostPort): Promise<LineAnswer>;
  /** Joins the open tunnel and a program's connection, of which `head` was read already. */
  join(program: Socket, head: Buffer): void;
  /** The session has another token: the tunnel goes on under it, or is asked for with it. */
  show(token: string): void;
  isUsable(): boolean;
  end(): void;
  readonly ended: Promise<void>;
}

export interface LineOptions {
  /** Numeric. */
  readonly host: string;
  readonly port: number;
  /** The gateway's. */
  readonly name: string;
  readonly credentials: Credentials;
  readonly token: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Opens a line that the gateway says it will carry flows on. @throws the error of the connection, or that it does not. */
export async function openBulkLine(options: LineOptions): Promise<BulkLine> {
  const { host, port, name, credentials, token, timeoutMs, signal } = options;
  let socket: TLSSocket | undefined = undefined;
  const input = createSocketInput(() => void socket?.resume());
  socket = await connectVerified(
    { host, port, serverName: name },
    {
      client: credentials,
      protocol: 'http/1.1',
      timeoutMs,
      signal,
      onread: input.onread,
    },
  );
  socket.setNoDelay(true);
  const line = new Line(socket, input, name, token);
  const timer = setTimeout(() => line.end(), timeoutMs);
  try {
    const { status } = await line.exchange(statusPath);
    if (status !== 200) throw new Error(`the gateway answered ${status}`);
    return line;
  } catch (error) {
    line.end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

class Line implements BulkLine {
  readonly ended: Promise<void>;
  readonly #socket: TLSSocket;
  readonly #input: SocketInput;
  readonly #name: string;
  #token: string;
  #isOpen = false;
  /** What the application said before there was somebody to hear it. */
  #early: Buffer[] = [];

  constructor(socket: TLSSocket, input: SocketInput, name: string, token: string) {
    this.#socket = socket;
    this.#input = input;
    this.#name = name;
    this.#token = token;
    socket.on('error', () => socket.destroy());
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#expectNothing();
  }

  async ask({ host, port }: HostPort): Promise<LineAnswer> {
    const answer = await this.exchange(
      `/.well-known/masque/tcp/${host}/${port}/`,
      'connection: upgrade\r\nupgrade: connect-tcp\r\ncapsule-protocol: ?1\r\n',
    );
    this.#isOpen = answer.status === 101;
    if (!this.#isOpen) this.end();
    return answer;
  }

  /** One GET, and its answer. @throws after which the line is gone. */
  exchange(path: string, fields = ''): Promise<LineAnswer> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        socket.off('close', onClose);
        socket.destroy();
        reject(error);
      };
      const onClose = (): void => fail(new Error('the gateway closed the connection'));
      socket.once('close', onClose);
      if (socket.destroyed) return onClose();
      let bytes = Buffer.alloc(0);
      const read = (piece: Buffer): undefined => {
        bytes = Buffer.concat([bytes, piece]);
        try {
          const head = readAnswerHead(bytes);
          if (head === undefined || bytes.length < head.end + head.contentLength) return;
          const { status, end, contentLength } = head;
          const rest = bytes.subarray(end + contentLength);
          if (rest.length > 0 && status !== 101) throw new Error('more than an answer');
          socket.off('close', onClose);
          if (status === 101) this.#expectTunnel(rest);
          else this.#expectNothing();
          resolve({ status, fields: head.fields, body: bytes.subarray(end, end + contentLength) });
        } catch (error) {
          fail(error as Error);
        }
      };
      this.#input.use(read);
      socket.write(
        `GET ${path} HTTP/1.1\r\nhost: ${this.#name}\r\nproxy-authorization: Bearer ${this.#token}\r\n${fields}\r\n`,
      );
    });
  }

  join(program: Socket, head: Buffer): void {
    const socket = this.#socket;
    const early = Buffer.concat(this.#early);
    this.#early = [];
    joinLine({ socket, input: this.#input, program, early, head });
  }

  show(token: string): void {
    this.#token = token;
    if (this.#isOpen && socketIsOpen(this.#socket)) this.#socket.write(tokenCapsule(token));
  }

  isUsable(): boolean {
    return socketIsOpen(this.#socket);
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Nothing was asked, so nothing may come. */
  #expectNothing(): void {
    this.#input.use(() => void this.#socket.destroy());
  }

  #expectTunnel(early: Buffer): void {
    this.#early = [early];
    // Copies: the memory is used again.
    this.#input.use((bytes) => void this.#early.push(Buffer.from(bytes)));
  }
}

const socketIsOpen = (socket: TLSSocket): boolean => socket.writable && !socket.destroyed;
