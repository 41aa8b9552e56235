/**
 * Opaque data of a PING (RFC 9113, section 6.7) that a gateway sends on a laptop's session: measure your posture anew, and
 * bring it to the control plane. Whoever does not know it only acknowledges it, as any PING.
 */
export const postureSignal: Buffer = Buffer.from('posture?', 'latin1');
