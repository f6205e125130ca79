// @tus/server on PORT, with its file store in DIRECTORY or its S3 store in BUCKET.

import { FileStore } from "@tus/file-store";
import { S3Store } from "@tus/s3-store";
import { Server } from "@tus/server";

const { PORT, DIRECTORY, BUCKET, AWS_ENDPOINT_URL_S3 } = process.env;

const bucket = () =>
  new S3Store({
    partSize: 8 * 1024 * 1024,
    s3ClientConfig: {
      bucket: BUCKET,
      endpoint: AWS_ENDPOINT_URL_S3,
      forcePathStyle: true,
      // Ceph 16 does not know the checksums that newer SDKs add by default.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    },
  });

const datastore = DIRECTORY ? new FileStore({ directory: DIRECTORY }) : bucket();
const server = new Server({ path: "/uploads", datastore });
server.listen({ host: "127.0.0.1", port: Number(PORT) });
