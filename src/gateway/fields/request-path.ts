/** Paths of nothing but harmless characters, none of whose segments starts with a dot. */
const plain = /^(?:\/(?:[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9_~!$&'()*+,=:@.-]*)?)+$/;
/** Visible ASCII without `#` (a fragment never travels), `\` (a separator to some) and `"<>` (never sent unescaped). */
const pathCharacters = /^\/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d-\x7e]*$/;
const queryCharacters = /^[\x21\x22\x24-\x7e]*$/;
const brokenEscape = /%(?![0-9A-Fa-f]{2})/;
/** NUL, other control characters, and the backslash in percent clothes. */
const escapedDanger = /%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])/;
const separators = /\/|%2[Ff]/;
const dots = /^(?:\.|%2[Ee]){1,2}$/;

/**
 * Why a request target in origin form could be read two ways, or undefined where it cannot. It is never normalized:
 * what was decided on is forwarded byte by byte. `%2F` is allowed (applications use it), but neither as a way to hide
 * `..` nor does a `;` hide it, which some servers cut off before they resolve segments.
 */
export function findAmbiguity(target: string): string | undefined {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (query !== -1 && !queryCharacters.test(target.slice(query + 1))) return 'character in query';
  if (plain.test(path)) return undefined;
  if (!pathCharacters.test(path)) return 'character in path';
  if (brokenEscape.test(path)) return 'broken percent-encoding in path';
  if (escapedDanger.test(path)) return 'encoded control character or backslash in path';
  for (const segment of path.split(separators)) {
    const [name = ''] = segment.split(/;|%3[Bb]/);
    if (dots.test(name)) return 'dot segment in path';
  }
  return undefined;
}
