import type { Detector } from './detector.ts';
import { createMultipartReader } from './multipart-reader.ts';
import type { PartReader } from './multipart-reader.ts';
import { TextScanner } from './text-scanner.ts';
import { createDecoder, createFormReader, createJsonReader, createMarkupReader } from './text-readers.ts';
import type { TextReader } from './text-readers.ts';
import { createSniffingReader } from './sniffed-text.ts';
import type { SniffingReader } from './sniffed-text.ts';

/** Looks for data in one body as it comes, without the content coding that it travels in. */
export interface BodyScanner {
  write(bytes: Uint8Array): void;
  end(): void;
  /** How many different values were found by now, by name of the detector. */
  readonly counts: Readonly<Record<string, number>>;
  /** How much of it is text, as far as it has come. */
  readonly isText: 'all' | 'some' | 'none';
}

/** @param contentType as it was sent. What does not say to be text is text where it looks like it. */
export function createBodyScanner(contentType: string, detectors: readonly Detector[]): BodyScanner {
  const scanner = new TextScanner(detectors);
  const isForm = boundaryOf(contentType) !== undefined;
  let isText: BodyScanner['isText'] = 'all';
  const notText = (): void => {
    isText = isForm ? 'some' : 'none';
  };
  const openText = (type: string): PartReader | undefined => {
    const reader = readerOf(type);
    if (reader === undefined) {
      notText();
      return undefined;
    }
    const look = (): void => {
      if ('isText' in reader && !reader.isText) notText();
    };
    return {
      read(bytes) {
        scanner.add(reader.read(bytes));
        look();
      },
      end() {
        scanner.add(reader.end());
        scanner.end();
        look();
      },
    };
  };
  const boundary = boundaryOf(contentType);
  const body =
    boundary === undefined
      ? openText(contentType)
      : createMultipartReader(boundary, ({ contentType: type, isFile, isEncoded }) => {
          if (!isEncoded) return openText(type ?? (isFile ? 'application/octet-stream' : 'text/plain'));
          notText();
          return undefined;
        });
  return {
    write: (bytes) => body?.read(bytes),
    end: () => body?.end(),
    get counts() {
      return scanner.counts;
    },
    get isText() {
      return isText;
    },
  };
}

/** Why a content cannot be read at all, by what it says of itself. */
export function whyUnread(contentType: string): 'opaque' | 'encoded' | undefined {
  if (boundaryOf(contentType) !== undefined || readerOf(contentType) !== undefined) return undefined;
  return neverText.test(mediaTypeOf(contentType)) ? 'opaque' : 'encoded';
}

const mediaTypeOf = (contentType: string): string => contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';

const parameterOf = (contentType: string, name: string): string | undefined => {
  const [, quoted, plain] = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^\\s;"]+))`, 'i').exec(contentType) ?? [];
  return quoted ?? plain;
};

const boundaryOf = (contentType: string): string | undefined =>
  mediaTypeOf(contentType).startsWith('multipart/') ? parameterOf(contentType, 'boundary') : undefined;

/** Text by its type, beside what begins with text/. */
const textTypes =
  /^application\/(?:(?:[a-z0-9.+-]*\+)?(?:json|xml|yaml)|json-seq|ndjson|x-ndjson|jsonl|csv|x-yaml|javascript|x-javascript|ecmascript|graphql|sql|rtf)$|^message\/(?:rfc822|http)$|^image\/svg\+xml$/;
const jsonTypes = /(?:^application\/|\+)(?:json|json-seq|ndjson|x-ndjson|jsonl)$|^text\/json$/;

const markupTypes = /^text\/html$|[/+]xml$/;

/** Pictures and the like, which are never read. */
const neverText = /^(?:image\/(?!svg\+xml$)|video\/|audio\/|font\/)/;

function readerOf(contentType: string): TextReader | SniffingReader | undefined {
  const mediaType = mediaTypeOf(contentType);
  if (neverText.test(mediaType)) return undefined;
  const decoder = createDecoder(parameterOf(contentType, 'charset'));
  if (decoder === undefined) return undefined;
  if (mediaType === 'application/x-www-form-urlencoded') return createFormReader(decoder);
  if (jsonTypes.test(mediaType)) return createJsonReader(decoder);
  if (markupTypes.test(mediaType)) return createMarkupReader(decoder);
  const isText = mediaType.startsWith('text/') || textTypes.test(mediaType);
  return isText ? decoder : createSniffingReader(decoder);
}
