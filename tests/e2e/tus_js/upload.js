// node upload.js WANTED: sends a file, as JSON in WANTED says (endpoint, file, metadata, and what tus-js-client takes
// as options); prints the URL of the upload. stopAfter: gives up when so many bytes were acknowledged. previous: a
// file that it keeps the URL of an upload in, to go on with it the next time.
const fs = require("fs");
const tus = require("tus-js-client");

const { file, stopAfter, previous, ...options } = JSON.parse(process.argv[2]);

function done(url) {
  console.log(url);
  process.exit(0);
}

const upload = new tus.Upload(fs.createReadStream(file), {
  ...options,
  uploadSize: fs.statSync(file).size,
  ...(previous ? { urlStorage: new tus.FileUrlStorage(previous) } : { storeFingerprintForResuming: false }),
  fingerprint: async () => file,
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onChunkComplete: (_size, acknowledged) => {
    if (stopAfter && acknowledged >= stopAfter) done(upload.url);
  },
  onSuccess: () => done(upload.url),
});

(async () => {
  if (previous) {
    const [found] = await upload.findPreviousUploads();
    if (found) upload.resumeFromPreviousUpload(found);
  }
  upload.start();
})();
