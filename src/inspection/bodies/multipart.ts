import { emptyContent, maxArguments } from './body-content.ts';
import type { BodyContent } from './body-content.ts';

/**
 * A form in parts (RFC 7578). Readers differ in what they forgive: another line end, text before the first part, a name
 * given twice or in another charset. Whatever needs forgiving is an anomaly.
 */
export function readMultipart(contentType: string, body: string, isCut: boolean): BodyContent {
  const content = emptyContent('MULTIPART');
  const ambiguous = (): void => void content.anomalies.add('90003');
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) {
    ambiguous();
    return content;
  }
  const delimiter = `--${boundary}`;
  if (!body.startsWith(`${delimiter}\r\n`)) {
    // An empty form may consist of its end alone.
    if (body !== `${delimiter}--` && body !== `${delimiter}--\r\n`) ambiguous();
    if (!body.includes(delimiter)) return content;
  }
  let at = body.indexOf(delimiter) + delimiter.length;
  for (;;) {
    if (body.startsWith('--', at)) {
      if (!/^--(?:\r\n)?$/.test(body.slice(at, at + 8))) ambiguous();
      return content;
    }
    if (!body.startsWith('\r\n', at)) ambiguous();
    const end = body.indexOf(delimiter, at);
    if (end === -1) {
      if (!isCut) ambiguous();
      readPart(body.slice(at + 2), content, isCut);
      return content;
    }
    if (body.slice(end - 2, end) !== '\r\n') ambiguous();
    if (content.args.length + content.files.length >= maxArguments) {
      content.anomalies.add('90004');
      return content;
    }
    readPart(body.slice(at + 2, Math.max(at + 2, end - 2)), content, false);
    at = end + delimiter.length;
  }
}

/** RFC 2046, section 5.1.1: one of them, of its characters, in double quotes or not; undefined where it is not so. */
export function boundaryOf(contentType: string): string | undefined {
  const parameters = contentType.match(/;[ \t]*boundary[ \t]*=/gi) ?? [];
  const match =
    /;[ \t]*boundary=(?:"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])"|([0-9A-Za-z'+_.-]{1,70}))[ \t]*(?:;|$)/i.exec(
      contentType,
    );
  return parameters.length === 1 ? (match?.[1] ?? match?.[2]) : undefined;
}

function readPart(part: string, content: BodyContent, isCut: boolean): void {
  const ambiguous = (): void => void content.anomalies.add('90003');
  const headEnd = part.startsWith('\r\n') ? 0 : part.indexOf('\r\n\r\n');
  if (headEnd === -1) {
    if (!isCut) ambiguous();
    return;
  }
  const head = part.slice(0, headEnd);
  const value = part.slice(headEnd === 0 ? 2 : headEnd + 4);
  const lines = head === '' ? [] : head.split('\r\n');
  let disposition: string | undefined;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    // Folded lines, bare line feeds and controls are what one reader takes for something else than the next.
    if (!/^[a-z0-9-]+$/.test(name) || /[^\t -~\x80-\xff]/.test(line)) ambiguous();
    if (name === 'content-disposition') {
      if (disposition !== undefined) ambiguous();
      disposition = line.slice(colon + 1).trim();
    }
    if (name === 'content-transfer-encoding' && !/^\s*(?:7bit|8bit|binary)\s*$/i.test(line.slice(colon + 1)))
      ambiguous();
  }
  const { name, filename, isClear } = readDisposition(disposition ?? '');
  if (!isClear) ambiguous();
  for (const line of lines) content.partHeaders.push([name, line]);
  if (filename === undefined) content.args.push([name, value]);
  else content.files.push([name, filename]);
}

function readDisposition(text: string): { name: string; filename: string | undefined; isClear: boolean } {
  const names: string[] = [];
  const filenames: string[] = [];
  const parameter = /;[ \t]*([A-Za-z*]+)=(?:"((?:[^"\\\r\n]|\\[^\r\n])*)"|([^\s;"]+))/y;
  const [type = ''] = /^[A-Za-z-]+/.exec(text) ?? [];
  parameter.lastIndex = type.length;
  let end = type.length;
  let isClear = type.toLowerCase() === 'form-data';
  for (let match = parameter.exec(text); match !== null; match = parameter.exec(text)) {
    const [, key = '', quoted, plain = ''] = match;
    end = parameter.lastIndex;
    const value = quoted ?? plain;
    // Some readers take a backslash for an escape and some for a part of a path.
    if (value.includes('\\')) isClear = false;
    if (key.toLowerCase() === 'name') names.push(value);
    else if (key.toLowerCase() === 'filename') filenames.push(value);
    else if (key.toLowerCase() === 'filename*') isClear = false;
  }
  isClear &&= text.slice(end).trim() === '' && names.length === 1 && filenames.length <= 1;
  return {
    name: names.join(' '),
    filename: filenames.length === 0 ? undefined : filenames.join(' '),
    isClear,
  };
}
