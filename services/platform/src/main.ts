// Four kinds of queries of chdb may each hold a thread of libuv's pool for long, and files, names and LMDB need one. The pool is made on its first use,
// so its size is set before anything else loads.
process.env['UV_THREADPOOL_SIZE'] ??= '5';
await import('./serve.js');
