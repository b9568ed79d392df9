"""`python -m eiwork` is the `eiwork` command, as in `torchrun --nproc-per-node 2 -m eiwork train ct-ei-deq`."""

from eiwork.cli import main

if __name__ == "__main__":
    main()
