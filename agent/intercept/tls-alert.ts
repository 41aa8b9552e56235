/** RFC 8446, section 6.2. */
export const accessDenied = 49;
export const internalError = 80;

const alertRecord = 21;
const handshakeRecord = 22;
const fatal = 2;

/** Whether a connection begins with a TLS record of the handshake (RFC 8446, section 5.1). */
export const isTlsHandshake = (firstByte: number): boolean => firstByte === handshakeRecord;

/** One record in the clear, as a server may send before it has answered a ClientHello; every version of TLS reads it. */
export const fatalAlert = (description: number): Buffer =>
  Buffer.from([alertRecord, 3, 3, 0, 2, fatal, description]);
