import type { InspectedRequest } from '../../../src/inspection/request.ts';

/** A request of the corpus: what a client sends, of which only what matters is named. */
export interface CorpusRequest {
  readonly method?: string;
  readonly target: string;
  /** Beside those of an ordinary browser, or in place of one of them. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly type?: string;
  readonly body?: string;
}

const browser: Readonly<Record<string, string>> = {
  host: 'grants.apps.example.org',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'accept-language': 'fr-FR,fr;q=0.8,en-US;q=0.5,en;q=0.3',
  'accept-encoding': 'gzip, deflate, br, zstd',
  cookie: 'JSESSIONID=4C1F2B7E9A; theme=sombre',
  'sec-fetch-site': 'same-origin',
};

export const form = 'application/x-www-form-urlencoded';
export const json = 'application/json';

/** A form in parts, as browsers send one. */
export const multipart = (
  ...parts: readonly {
    readonly name: string;
    readonly value: string;
    readonly filename?: string;
    readonly type?: string;
  }[]
): { readonly type: string; readonly body: string } => {
  const boundary = '----geckoformboundary5f9f6b1c2a';
  const text = parts.map(({ name, value, filename, type }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"`;
    const kind = type === undefined ? '' : `Content-Type: ${type}\r\n`;
    return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n${kind}\r\n${value}\r\n`;
  });
  return { type: `multipart/form-data; boundary=${boundary}`, body: `${text.join('')}--${boundary}--\r\n` };
};

/** As the gateway hands it to the rules: octets, and what it knows of the body's length. */
export function inspected({ method, target, fields = {}, type, body }: CorpusRequest): InspectedRequest {
  const octets = body === undefined ? '' : Buffer.from(body).toString('latin1');
  const all = {
    ...browser,
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(body === undefined ? {} : { 'content-length': String(octets.length) }),
    ...fields,
  };
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    target,
    protocol: 'HTTP/2.0',
    fields: Object.entries(all).flat(),
    clientAddress: '10.20.30.40',
    body: octets,
    isBodyCut: false,
  };
}
