import type { DeviceId } from '../../domain/ids.ts';
import type { HeldBytes } from './held-bytes.ts';

/**
 * Keeps the last bytes of a body back. One that is no longer than the bound is held as a whole; of a longer one the beginning
 * passes. Where there is no room for what is held, less of it is, but never less than the last piece: its bytes are in
 * memory anyway, since whoever reads a body has one piece of it in hand.
 */
export class HeldTail {
  readonly #owner: DeviceId;
  readonly #room: HeldBytes;
  readonly #maxBytes: number;
  readonly #pieces: { readonly piece: Buffer; readonly taken: number }[] = [];
  #size = 0;

  constructor(owner: DeviceId, room: HeldBytes, maxBytes: number) {
    this.#owner = owner;
    this.#room = room;
    this.#maxBytes = maxBytes;
  }

  /** @returns what passes now: the oldest, for which there is no room beside this piece. */
  push(piece: Buffer): Buffer[] {
    const passing: Buffer[] = [];
    for (;;) {
      const fits = this.#size + piece.length <= this.#maxBytes && this.#room.take(this.#owner, piece.length);
      if (!fits && this.#pieces.length > 0) {
        passing.push(...this.#shift());
        continue;
      }
      this.#pieces.push({ piece, taken: fits ? piece.length : 0 });
      this.#size += piece.length;
      return passing;
    }
  }

  /** All of it, which is held no longer. */
  release(): Buffer[] {
    const passing: Buffer[] = [];
    while (this.#pieces.length > 0) passing.push(...this.#shift());
    return passing;
  }

  #shift(): Buffer[] {
    const oldest = this.#pieces.shift();
    if (oldest === undefined) return [];
    this.#size -= oldest.piece.length;
    this.#room.giveBack(this.#owner, oldest.taken);
    return [oldest.piece];
  }
}
