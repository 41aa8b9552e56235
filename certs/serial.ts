/** A serial number as the ledger keeps it: upper-case hexadecimal, as OpenSSL prints it, without leading zeros. */
export const normalizeSerial = (hexadecimal: string): string =>
  hexadecimal.toUpperCase().replace(/^0+(?=.)/, '');
