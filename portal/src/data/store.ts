/** Objects of one analysis's bucket, as the group may read and write them. */
import {
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";

export interface Entry {
  readonly key: string;
  readonly size: number;
  readonly changed: Date;
}

export class Store {
  constructor(
    readonly s3: S3Client,
    readonly bucket: string,
  ) {}

  /** The object as text; undefined where there is none. */
  async text(key: string): Promise<string | undefined> {
    try {
      const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
      return await answer.Body?.transformToString("utf-8");
    } catch (error) {
      // without the right to list, S3 says AccessDenied of what is not there
      if (error instanceof Error && ["NoSuchKey", "NotFound"].includes(error.name)) return undefined;
      throw error;
    }
  }

  async json(key: string): Promise<unknown> {
    const text = await this.text(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async bytes(key: string): Promise<Uint8Array> {
    const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
  }

  /** All objects below a prefix, in the order of their keys. */
  async *list(prefix: string): AsyncGenerator<Entry> {
    const pages = paginateListObjectsV2({ client: this.s3 }, { Bucket: this.bucket, Prefix: prefix });
    for await (const page of pages) {
      for (const one of page.Contents ?? []) {
        yield { key: one.Key ?? "", size: one.Size ?? 0, changed: one.LastModified ?? new Date(0) };
      }
    }
  }

  /** Write a small text, unless something is there already. False: something is. */
  async create(key: string, body: string): Promise<boolean> {
    try {
      await this.s3.send(
        new PutObjectCommand({
          Bucket: this.bucket,
          Key: key,
          Body: body,
          ContentType: "application/json",
          IfNoneMatch: "*",
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof Error && ["PreconditionFailed", "ConditionalRequestConflict"].includes(error.name))
        return false;
      throw error;
    }
  }
}
