/** One piece of JSON: a string, or what gives its structure. Numbers and words lie between. */
const pieces = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * Where a JSON text names one member of an object twice, as `resources.0.name`; undefined where it nowhere does. RFC 8259,
 * section 4, leaves open which of the two counts: whoever looked at the text before us (a person, a proxy, a log) may have
 * seen the other one. `text` must be JSON; it is read once, without recursion.
 */
export function findRepeatedMember(text: string): string | undefined {
  const open: { readonly names: Set<string> | undefined; at: string | number }[] = [];
  let word = '';
  for (const [piece] of text.matchAll(pieces)) {
    const inside = open.at(-1);
    switch (piece) {
      case '{':
        open.push({ names: new Set(), at: '' });
        break;
      case '[':
        open.push({ names: undefined, at: 0 });
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ',':
        if (typeof inside?.at === 'number') inside.at += 1;
        break;
      case ':': {
        if (inside?.names === undefined) break;
        // Escapes may spell one name in two ways.
        const name = JSON.parse(word) as string;
        inside.at = name;
        if (inside.names.has(name)) return open.map(({ at }) => at).join('.');
        inside.names.add(name);
        break;
      }
      default:
        word = piece;
    }
  }
  return undefined;
}
