import { emptyContent } from './body-content.ts';
import type { BodyContent } from './body-content.ts';
import { readJson } from './json.ts';
import { readMultipart } from './multipart.ts';
import { readUrlEncoded } from './urlencoded.ts';
import { readXml } from './xml.ts';

/** @param text its octets, as characters. @param isCut whether it goes on beyond what is given. */
export function readBodyContent(
  contentType: string,
  contentEncoding: string,
  text: string,
  isCut: boolean,
): BodyContent {
  const [type = ''] = contentType.split(';', 1);
  const mediaType = type.trim().toLowerCase();
  if (text !== '' && contentEncoding !== '' && contentEncoding.trim().toLowerCase() !== 'identity') {
    const content = emptyContent('');
    content.anomalies.add('90002');
    return content;
  }
  if (text === '') return emptyContent('');
  if (mediaType === 'application/x-www-form-urlencoded') {
    const content = emptyContent('URLENCODED');
    content.args.push(...readUrlEncoded(text, content.anomalies));
    return content;
  }
  if (mediaType === 'multipart/form-data') return readMultipart(contentType, text, isCut);
  if (/[/+]json$/.test(mediaType)) return readJson(text, isCut);
  if (/[/+]xml$/.test(mediaType)) return readXml(text);
  const content = emptyContent('');
  // Nobody said what it is, or that it is text: an application that reads it as a form or as JSON finds the same in it.
  if (mediaType === '' || mediaType.startsWith('text/')) content.args.push(['postern.body', text]);
  return content;
}
