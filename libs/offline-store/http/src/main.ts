// Queries hold a thread of libuv's pool while they run; the pool is made on its first use, so its size is set before anything else loads.
process.env['UV_THREADPOOL_SIZE'] ??= '16';
await import('./serve.js');
