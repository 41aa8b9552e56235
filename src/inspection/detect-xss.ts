/**
 * Whether a browser that finds the value in a page would run something of it: what `@detectXSS` asks. Read as HTML in each
 * place where a page may have put it: between tags, in a value between quotes of either kind, in a value without quotes.
 */
export function isCrossSiteScript(value: string): boolean {
  if (!/[<=]/.test(value)) return false;
  if (hasActiveTag(value)) return true;
  if (!value.includes('=')) return false;
  return attributeStarts.some((start) => {
    const at = value.search(start);
    return at !== -1 && hasActiveAttribute(value, at + 1, 0);
  });
}

/** What ends the attribute in which the value stands. */
const attributeStarts = [/"/, /'/, /`/, /[\s/]/];

const activeTags = new Set([
  'applet',
  'base',
  'embed',
  'frame',
  'frameset',
  'iframe',
  'isindex',
  'link',
  'listener',
  'meta',
  'noscript',
  'object',
  'script',
  'style',
  'vmlframe',
  'xml',
  'xss',
]);

function hasActiveTag(value: string): boolean {
  for (let at = value.indexOf('<'); at !== -1; at = value.indexOf('<', at + 1)) {
    const rest = value.slice(at + 1, at + 64).replaceAll('\0', '');
    if (/^!(?:doctype|entity|--(?:\[if|.{0,40}(?:import|<)))/i.test(rest)) return true;
    if (/^\?(?:xml|import)/i.test(rest)) return true;
    const name = /^[A-Za-z][^\s/>]*/.exec(rest)?.[0];
    if (name === undefined) continue;
    const [, local = name] = /^[A-Za-z]+:(.+)$/.exec(name) ?? [];
    const lower = local.toLowerCase();
    if (activeTags.has(lower) || /^(?:svg|math|xsl)/.test(lower)) return true;
    if (hasActiveAttribute(value, at + 1 + name.length, 0)) return true;
  }
  return false;
}

/** More of them than any element has are not looked at. */
const maxAttributes = 64;

/** Reads attributes from a place in a tag on, to its end. */
function hasActiveAttribute(value: string, from: number, depth: number): boolean {
  const attribute =
    /[\s/\0"'`]*([^\s/>=\0"'`<]+)[\s\0]*(?:=[\s\0]*(?:"([^"]*)"?|'([^']*)'?|`([^`]*)`?|([^\s>"'`]*)))?/y;
  attribute.lastIndex = from;
  for (let count = depth; count < maxAttributes; count += 1) {
    const match = attribute.exec(value);
    if (match === null) return false;
    const [, name = '', double, single, back, plain] = match;
    const written = double ?? single ?? back ?? plain;
    if (written !== undefined && isActive(name.toLowerCase(), written)) return true;
  }
  return false;
}

const events =
  /^on(?:abort|activate|after|animation|auxclick|before|begin|blur|bounce|cancel|canplay|cell|change|click|close|context|copy|cue|cut|data|dblclick|deactivate|drag|drop|duration|emptied|end|error|fil|finish|focus|form|fullscreen|got|hash|help|input|invalid|key|layout|load|lose|lost|media|message|mouse|move|offline|online|out|page|paste|pause|play|pointer|popstate|progress|property|rate|ready|redo|repeat|reset|resize|resume|reverse|row|rows|scroll|search|security|seek|select|show|slot|stalled|start|stop|storage|submit|suspend|sync|time|toggle|touch|track|transition|undo|unhandled|unload|url|volume|waiting|webkit|wheel|zoom)/;

const places = new Set([
  'action',
  'background',
  'data',
  'dynsrc',
  'folder',
  'formaction',
  'href',
  'lowsrc',
  'poster',
  'src',
  'to',
  'from',
  'values',
  'xlink:href',
]);

const activeUrl = /^(?:javascript|vbscript|livescript|view-source|data:(?!image\/(?:png|jpeg|gif|webp)[;,]))/;

function isActive(name: string, written: string): boolean {
  if (events.test(name)) return /[A-Za-z0-9(]/.test(written);
  if (name === 'style') return /expression|behaviou?r|-moz-binding|url\s*\(|@import|\\/i.test(written);
  if (name === 'srcdoc' || name.startsWith('xmlns')) return true;
  if (!places.has(name)) return false;
  // Browsers pass over blanks and controls in a scheme, and read it after its character references.
  const plain = written.replace(
    /&#x([0-9a-f]{1,6});?|&#([0-9]{1,7});?/gi,
    (_, hexadecimal?: string, decimal?: string) =>
      String.fromCharCode(
        hexadecimal === undefined ? Number(decimal) & 0xffff : Number.parseInt(hexadecimal, 16) & 0xffff,
      ),
  );
  return activeUrl.test(
    plain
      .replace(/&(?:tab|newline);|[\0-\x20\x7f]/gi, '')
      .replace(/&colon;/gi, ':')
      .toLowerCase(),
  );
}
