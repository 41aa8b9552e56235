const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const quoted = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
const mediaType = new RegExp(
  `^${token}/${token}(?:[ \\t]*;[ \\t]*(?:${token}=(?:${token}|${quoted}))?)*[ \\t]*$`,
);
const maxLength = 512;

/**
 * Whether a Content-Type is well-formed (RFC 9110, section 8.3.1). One that is not makes some servers skip the checks
 * that they would have made of the body (fastify CVE-2026-33806), so it goes no further.
 */
export const isContentType = (value: string): boolean => value.length <= maxLength && mediaType.test(value);
