const t=performance.now(); await import('./services/inference/dist/index.js'); console.log((performance.now()-t).toFixed(0), process.uptime().toFixed(2));process.exit(0)
