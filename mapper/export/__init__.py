"""Write imported networks in forms that other tools read."""
