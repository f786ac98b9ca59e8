return {score = function() string.format('\0%p', 'x') return 1 end}
