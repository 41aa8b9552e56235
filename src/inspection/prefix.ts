/** Keeps the first bytes of what comes in pieces, in memory of its own. @returns all that there are so far, up to the bound. */
export function createPrefix(maxBytes = Number.POSITIVE_INFINITY): (piece: Uint8Array) => Buffer {
  let kept = Buffer.alloc(Math.min(64, maxBytes));
  let length = 0;
  return (piece) => {
    const part = piece.subarray(0, maxBytes - length);
    if (length + part.length > kept.length)
      kept = Buffer.concat([kept], Math.min(maxBytes, Math.max(kept.length * 2, length + part.length)));
    kept.set(part, length);
    length += part.length;
    return kept.subarray(0, length);
  };
}
