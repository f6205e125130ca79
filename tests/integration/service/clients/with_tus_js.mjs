// Upload a file with tus-js-client: with_tus_js.mjs URL TOKEN NAME PATH PIECE PROTOCOL [with-data]
import { createReadStream } from 'node:fs'
import * as current from 'tus-js-client'
import * as next from 'tus-js-client-next'

const [url, token, name, path, piece, protocol, creation] = process.argv.slice(2)
const tus = protocol === 'tus-v1'
// 4.3.1 for Node.js says Upload-Complete: ?0 of the last bytes, unless they are the first as well.
const { Upload } = tus ? current : next

new Upload(createReadStream(path), {
  protocol,
  endpoint: tus ? `${url}/api/uploads` : `${url}/api/files/${name}`,
  metadata: tus ? { filename: name } : {},
  headers: { 'X-Auth-Token': token },
  chunkSize: Number(piece) || Infinity,
  uploadDataDuringCreation: creation === 'with-data',
  retryDelays: Array.from({ length: 100 }, (_, number) => Math.min(100 * (number + 1), 1000)),
  onError: (error) => {
    console.error(error)
    process.exit(1)
  },
  onSuccess: () => process.exit(0),
}).start()
