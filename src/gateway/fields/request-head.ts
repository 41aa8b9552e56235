/** A request line and header section that every parser reads the same way. */
export interface RequestHead {
  /** As the client wrote it, `host` or `host:port`. */
  readonly authority: string;
  /** Lower-case. */
  readonly host: string;
  readonly port: number | undefined;
  readonly scheme: 'http' | 'https';
  /** Path and query, exactly as received and as they will be forwarded. */
  readonly target: string;
  /** The target without its query. */
  readonly path: string;
  /** Whether the target was in absolute form, as proxies get it. */
  readonly isAbsolute: boolean;
  /** End-to-end fields that may be forwarded: nothing hop by hop, nothing of ours. */
  readonly forwardable: string[];
  readonly contentLength: number | undefined;
  readonly userAgent: string | undefined;
  readonly accept: string | undefined;
  readonly acceptLanguage: string | undefined;
  readonly proxyAuthorization: string | undefined;
  /** Our cookie, by which a browser without an agent shows its sign-in; no part of what is forwarded. */
  readonly sessionCookie: string | undefined;
  /** X-Forwarded-For and the like of the client are dropped, never read. */
  readonly acceptsTrailers: boolean;
}
