# The kernel's own tests, on the device nodes that they were written for.
cd /suite
for suite in SmokeTest AsyncTest SpaceTest; do python3.11 -m unittest -v "tpm2_tests.$suite" 2>&1; done
end
