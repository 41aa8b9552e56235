import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3SinkSettings } from '../../contract/sinks.ts';
import type { ResolvedTls } from '../sinks/resolved-sink.ts';
import { tlsOptions } from '../sinks/tls-options.ts';

export interface BucketObject {
  /** Without the prefix of the settings. */
  readonly name: string;
  readonly bytes: number;
}

/** Files in S3-compatible object storage. All of it throws Error with a sentence that says which storage, and what it said. */
export interface S3Bucket {
  /** Durable when it resolves. `keepUntil` in epoch milliseconds, where objects are locked. */
  put(name: string, path: string, keepUntil: number): Promise<void>;
  list(prefix: string): AsyncIterable<BucketObject>;
  /** Writes a new file. */
  get(name: string, path: string): Promise<void>;
  close(): void;
}

export interface S3BucketParts {
  readonly settings: S3SinkSettings;
  readonly secret: string;
  readonly tls?: ResolvedTls;
}

export function openS3Bucket({ settings, secret, tls }: S3BucketParts): S3Bucket {
  const { url, region, bucket, prefix = '', accessKeyId, pathStyle, timeoutSeconds, objectLock } = settings;
  const timeoutMs = timeoutSeconds * 1000;
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: pathStyle,
    credentials: { accessKeyId, secretAccessKey: secret },
    // What is not delivered is tried again by whoever asked.
    maxAttempts: 1,
    // Others than Amazon know no trailing checksums: ours is in a header of its own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: Math.min(timeoutMs, 10_000),
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      ...(url.startsWith('https:')
        ? { httpsAgent: new Agent({ keepAlive: true, ...tlsOptions(host, tls) }) }
        : {}),
    },
  });

  async function told<Result>(asked: Promise<Result>): Promise<Result> {
    try {
      return await asked;
    } catch (error) {
      const { name, message } = error as Error;
      throw new Error(
        `${url} ${bucket}: ${name}: ${message}`.replaceAll(/[\s\p{Cc}]+/gu, ' ').slice(0, 500),
        {
          cause: error,
        },
      );
    }
  }

  return {
    async put(name, path, keepUntil) {
      const body = await readFile(path);
      const lock =
        objectLock === undefined
          ? {}
          : {
              ObjectLockMode: objectLock === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
              ObjectLockRetainUntilDate: new Date(keepUntil),
            };
      await told(
        client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: `${prefix}${name}`,
            Body: body,
            ContentLength: body.length,
            ContentType: 'application/vnd.apache.parquet',
            ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
            ...lock,
          }),
        ),
      );
    },
    async *list(within) {
      let token: string | undefined;
      do {
        const page = await told(
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: `${prefix}${within}`,
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
          ),
        );
        for (const { Key: key = '', Size: bytes = 0 } of page.Contents ?? [])
          if (key.startsWith(prefix)) yield { name: key.slice(prefix.length), bytes };
        token = page.NextContinuationToken;
      } while (token !== undefined);
    },
    async get(name, path) {
      const { Body: body } = await told(
        client.send(new GetObjectCommand({ Bucket: bucket, Key: `${prefix}${name}` })),
      );
      await told(pipeline(body as Readable, createWriteStream(path, { flags: 'wx', mode: 0o600 })));
    },
    close: () => client.destroy(),
  };
}
