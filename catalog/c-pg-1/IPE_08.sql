-- Vouchers issued before the cutoff and active at it, with what had been used of them by then.
WITH voucher_usage AS (
    SELECT
        s.[ID_COMPANY],
        s.[COD_STORE_CREDIT_VOUCHER],
        -- cast here: subtracting decimal(38, 4) from decimal(38, 20) would leave four digits
        CAST(SUM(s.[MTR_STORE_CREDIT_USED]) AS decimal(38, 20)) AS used_lcy,
        COUNT(*) AS times_used,
        MAX(s.[DAT_ORDER_CREATED]) AS last_used_at
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
    WHERE s.[COD_STORE_CREDIT_VOUCHER] IS NOT NULL
        AND s.[DAT_ORDER_CREATED] < @cutoff
    GROUP BY s.[ID_COMPANY], s.[COD_STORE_CREDIT_VOUCHER]
)
SELECT
    CAST(v.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(v.[id] AS bigint) AS voucher_id,
    CAST(v.[code] AS nvarchar(30)) AS voucher_code,
    CAST(v.[business_use] AS nvarchar(30)) AS business_use,
    CAST(v.[created_at] AS datetime) AS issued_at,
    CAST(v.[to_date] AS datetime) AS valid_until,
    CAST(CASE WHEN v.[to_date] >= @cutoff THEN N'valid' ELSE N'expired' END AS nvarchar(10)) AS validity,
    CAST(v.[discount_amount] AS decimal(38, 20)) AS issued_amount_lcy,
    CAST(ISNULL(u.used_lcy, 0) AS decimal(38, 20)) AS used_amount_lcy,
    CAST(v.[discount_amount] - ISNULL(u.used_lcy, 0) AS decimal(38, 20)) AS remaining_amount_lcy,
    CAST(ISNULL(u.times_used, 0) AS int) AS times_used,
    CAST(u.last_used_at AS datetime) AS last_used_at
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[V_STORECREDITVOUCHER_CLOSING] AS v
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = v.[ID_COMPANY]
LEFT JOIN voucher_usage AS u
    ON u.[ID_COMPANY] = v.[ID_COMPANY] AND u.[COD_STORE_CREDIT_VOUCHER] = v.[code]
WHERE v.[created_at] < @cutoff
    AND v.[Is_Template?] = 0
    AND (v.[inactive_at] IS NULL OR v.[inactive_at] >= @cutoff)
    AND v.[business_use] IN (@business_uses)
    AND dc.[Flg_In_Conso_Scope] = @in_scope
