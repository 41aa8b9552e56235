import { transformations } from '../transformations.ts';
import { emptyContent, maxArguments } from './body-content.ts';
import type { BodyContent } from './body-content.ts';

const markup = /<!--[\s\S]*?(?:-->|$)|<!\[CDATA\[([\s\S]*?)(?:\]\]>|$)|<[!?/]?[^>]*>?|[^<]+/g;
/** Found by its sign: to look for a name first takes the square of the length of one that no sign follows. */
const attributeValue = /=\s*(?:"([^"]*)"?|'([^']*)'?)/g;

/** Texts and attributes of an XML document, entities of the language itself resolved. Its structure is not looked at. */
export function readXml(text: string): BodyContent {
  const content = emptyContent('XML');
  if (!/^(?:\xef\xbb\xbf)?\s*</.test(text)) content.anomalies.add('90001');
  // What it declares is read by some and fetched by others.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) content.anomalies.add('90005');
  const decode = transformations['htmlentitydecode'] ?? ((value: string) => value);
  for (const [piece, section] of text.matchAll(markup)) {
    if (content.xmlTexts.length + content.xmlAttributes.length >= maxArguments) {
      content.anomalies.add('90004');
      return content;
    }
    if (section !== undefined) content.xmlTexts.push(section);
    else if (!piece.startsWith('<')) {
      const value = decode(piece.trim());
      if (value !== '') content.xmlTexts.push(value);
    } else if (!piece.startsWith('<!'))
      for (const [, double, single] of piece.matchAll(attributeValue))
        content.xmlAttributes.push(decode(double ?? single ?? ''));
  }
  return content;
}
